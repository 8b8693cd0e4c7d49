"""The gate before the provider: paces all workers together at the rate that its ``ratelimit-*`` headers name.

The rate, the next free place and a pause (after a 429, or until a quota renews) live in Redis, by Redis's clock. Who comes takes
the next place and sleeps until then, so nobody pushes ahead and no request is made only to be refused. Without Redis the gate
stands open, and the provider's own 429 defers.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cache
from typing import NamedTuple

import redis
import structlog

from tasks.errors import Deferred
from tasks.publishing import redis_client

log = structlog.get_logger()

RATE, PLACE, PAUSE = "redrive:provider:rate", "redrive:provider:place", "redrive:provider:pause"
LONGEST_SLEEP = timedelta(seconds=8)  # with the call's own 13 s still within a task's soft limit
RATE_IS_KEPT = timedelta(hours=1)
LEARN_AGAIN_SECONDS = 30
MARGIN = 0.98  # places a little wider than the provider asks for, since requests do not all travel equally long

TAKE_A_PLACE = """
local pause = redis.call('PTTL', KEYS[3])
if pause > 0 then return {'paused', pause, redis.call('GET', KEYS[3])} end
local rate = tonumber(redis.call('GET', KEYS[1]) or '0')
if rate <= 0 then return {'go', 0, ''} end
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local place = math.max(tonumber(redis.call('GET', KEYS[2]) or '0'), now)
local wait = place - now
if wait > tonumber(ARGV[1]) then return {'full', math.ceil(wait), ''} end
redis.call('SET', KEYS[2], string.format('%.3f', place + 1000 / rate), 'PX', math.ceil(wait + 1000 / rate + 1000))
return {'go', math.ceil(wait), ''}
"""


class GateClosed(Deferred):
    """The provider takes nothing more for now."""


class GateStatus(NamedTuple):
    """What operators see: requests a second (None: no limit is known), and until when and why nothing is sent."""

    requests_per_second: float | None
    paused_for: timedelta | None
    reason: str | None


class ProviderGate:
    """One process's view of the gate; ``sleep`` waits for its place."""

    def __init__(
        self, client: redis.Redis, *, sleep: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._take = client.register_script(TAKE_A_PLACE)
        self._sleep = sleep
        self._clock = clock
        self._known: float | None = None
        self._known_at = 0.0

    def pass_through(self) -> None:
        """Return when it is this request's turn; raises ``GateClosed`` if that is too long to wait for here."""
        left = LONGEST_SLEEP
        while True:
            verdict, wait, why = self._ask(left)
            if verdict == "go" or (verdict == "paused" and wait <= left):
                self._sleep(wait.total_seconds())
            if verdict == "go":
                return
            if wait > left:
                raise GateClosed(why or "The provider's rate limit is used up by the mails before this one", delay=wait)
            left -= wait

    def learn(self, headers: Mapping[str, str]) -> None:
        """Take over the limit that the provider names in its answer."""
        rate = rate_in(headers)
        if rate is None or (rate == self._known and self._clock() < self._known_at + LEARN_AGAIN_SECONDS):
            return
        try:
            self._client.set(RATE, rate * MARGIN, ex=RATE_IS_KEPT)
        except redis.RedisError as away:
            log.warning("provider_gate.open", error=type(away).__name__)
        else:
            self._known, self._known_at = rate, self._clock()

    def pause(self, delay: timedelta, why: str) -> None:
        """Nobody asks the provider for this long, since it would refuse."""
        try:
            self._client.set(PAUSE, why, px=max(delay, timedelta(milliseconds=1)))
        except redis.RedisError as away:
            log.warning("provider_gate.open", error=type(away).__name__)

    def status(self) -> GateStatus:
        """Raises ``redis.RedisError`` if Redis is away."""
        questions = self._client.pipeline(transaction=False)
        questions.get(RATE)
        questions.get(PAUSE)
        questions.pttl(PAUSE)
        rate, reason, pause = questions.execute()
        return GateStatus(
            requests_per_second=float(rate) / MARGIN if rate else None,
            paused_for=timedelta(milliseconds=pause) if pause > 0 else None,
            reason=reason.decode() if reason else None,
        )

    def _ask(self, longest: timedelta) -> tuple[str, timedelta, str]:
        try:
            verdict, wait, why = self._take(keys=[RATE, PLACE, PAUSE], args=[longest.total_seconds() * 1000])
        except redis.RedisError as away:
            log.warning("provider_gate.open", error=type(away).__name__)
            return "go", timedelta(), ""
        return verdict.decode(), timedelta(milliseconds=wait), why.decode()


@cache
def gate() -> ProviderGate:
    """The gate of this process."""
    return ProviderGate(redis_client(timeout_seconds=0.25))


def rate_in(headers: Mapping[str, str]) -> float | None:
    """Requests a second in ``ratelimit-limit``, which may name its window in seconds as in ``100;w=60``; None if there is none."""
    text = {name.lower(): value for name, value in headers.items()}.get("ratelimit-limit", "")
    found = re.fullmatch(r"\s*(\d{1,9})\s*(?:[;,].*)?", text)
    window = re.search(r";\s*w=(\d{1,9})", text)
    if found is None or int(found[1]) == 0 or (window and int(window[1]) == 0):
        return None
    return int(found[1]) / (int(window[1]) if window else 1)
