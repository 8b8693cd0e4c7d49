"""How many requests a second and how many mails a day or month Resend takes, and the headers that say so."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime

from simulator.mail.errors import ApiError

WINDOW_SECONDS = 1.0


class RequestLimit:
    """A fixed window of one second over all keys of the team; ``limit`` 0 takes everything and sends no headers."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.limit = 0
        self._monotonic = monotonic
        self._window_start = -WINDOW_SECONDS
        self._used = 0

    def take(self) -> dict[str, str]:
        """The ratelimit headers of this request; raises ``ApiError`` when the window is used up."""
        if not self.limit:
            return {}
        now = self._monotonic()
        if now - self._window_start >= WINDOW_SECONDS:
            self._window_start, self._used = now, 0
        left_seconds = max(1, math.ceil(self._window_start + WINDOW_SECONDS - now))
        headers = {"ratelimit-limit": str(self.limit), "ratelimit-reset": str(left_seconds)}
        if self._used >= self.limit:
            refused = headers | {"ratelimit-remaining": "0", "retry-after": str(left_seconds)}
            raise ApiError("rate_limit_exceeded", headers=refused)
        self._used += 1
        return headers | {"ratelimit-remaining": str(self.limit - self._used)}

    def forget(self) -> None:
        self._window_start, self._used = -WINDOW_SECONDS, 0


class Quota:
    """Mails a day and a month by the simulated clock, counted while a limit is set; a limit of 0 is none."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.daily = 0
        self.monthly = 0
        self._now = now
        self._used: dict[str, int] = {}

    def check(self, mails: int) -> None:
        for period, limit, error in self._periods():
            if limit and self._used.get(period, 0) + mails > limit:
                raise ApiError(error)

    def count(self, mails: int) -> None:
        for period, _, _ in self._periods():
            self._used[period] = self._used.get(period, 0) + mails

    def forget(self) -> None:
        self._used.clear()

    def _periods(self) -> tuple[tuple[str, int, str], ...]:
        if not (self.daily or self.monthly):
            return ()
        today = datetime.fromtimestamp(self._now(), UTC)
        return (
            (f"{today:%Y-%m-%d}", self.daily, "daily_quota_exceeded"),
            (f"{today:%Y-%m}", self.monthly, "monthly_quota_exceeded"),
        )
