"""The simulated clock: the real one, plus what a script has advanced it by."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    """Idempotency keys, quotas and event times read this clock; latencies and rate limits are real time."""

    def __init__(self) -> None:
        self._ahead_seconds = 0.0

    def now(self) -> float:
        return time.time() + self._ahead_seconds

    def advance(self, seconds: float) -> None:
        self._ahead_seconds += seconds

    def reset(self) -> None:
        self._ahead_seconds = 0.0


def iso(at: float) -> str:
    """A moment as both providers' dashboards write it: ISO 8601 in UTC with milliseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
