"""The gate before the provider: paces all workers together at the rate that its ``ratelimit-*`` headers name.

The rate, the places taken and a pause (after a 429, or until a quota renews) live in Redis, by Redis's clock. Who comes takes the next
free place and sleeps until then, so nobody pushes ahead and no request is made only to be refused. Without Redis the gate stands open,
and the provider's own 429 defers.
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

RATE, PLACES, PAUSE = "redrive:provider:rate", "redrive:provider:places", "redrive:provider:pause"
LONGEST_SLEEP = timedelta(seconds=8)  # with the call's own 13 s still within a task's soft limit
RATE_IS_KEPT = timedelta(hours=1)
LEARN_AGAIN_SECONDS = 30
NUMBER = re.compile(r"\s*(\d{1,9})\s*(?:[;,].*)?")
SPREAD = 0.8  # how evenly: of the time between two places at an even rate; ten big requests at once would delay each other
MARGIN = 0.975  # of the rate: requests do not all travel equally long, and one too many costs a pause of a second

# A place is free one window after the place that lies as many places back as the window holds: whatever a quiet moment left over is
# used afterwards, and no window of the provider's, wherever it begins, sees more than it allows.
TAKE_A_PLACE = """
local pause = redis.call('PTTL', KEYS[3])
if pause > 0 then return {'paused', pause, redis.call('GET', KEYS[3])} end
local rate = tonumber(redis.call('GET', KEYS[1]) or '0')
if rate <= 0 then return {'go', 0, ''} end
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local holds = math.max(math.floor(rate), 1)
local window = holds / rate * 1000 / ARGV[2]
local back = tonumber(redis.call('LINDEX', KEYS[2], holds - 1) or '0')
local newest = tonumber(redis.call('LINDEX', KEYS[2], 0) or '0')
local place = math.max(now, back + window, newest + ARGV[3] * 1000 / rate)
local wait = math.ceil(place - now)
if wait > tonumber(ARGV[1]) then return {'full', wait, ''} end
redis.call('LPUSH', KEYS[2], string.format('%.3f', place))
redis.call('LTRIM', KEYS[2], 0, holds - 1)
redis.call('PEXPIRE', KEYS[2], math.ceil(wait + window))
return {'go', wait, ''}
"""

# Who asked before the rate was known took places too: they are entered afterwards.
LEARN = """
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
if redis.call('EXISTS', KEYS[2]) == 1 then return end
local time = redis.call('TIME')
local now = string.format('%.3f', time[1] * 1000 + time[2] / 1000)
for _ = 1, tonumber(ARGV[3]) do redis.call('LPUSH', KEYS[2], now) end
redis.call('PEXPIRE', KEYS[2], 1500)
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
        self._learn = client.register_script(LEARN)
        self._sleep = sleep
        self._clock = clock
        self._known: float | None = None
        self._known_at = 0.0

    def pass_through(self) -> None:
        """Return when it is this request's turn; raises ``GateClosed`` if that is too long to wait for here."""
        left = LONGEST_SLEEP
        while True:
            verdict, wait, why = self._ask(left)
            if wait > left:
                raise GateClosed(why or "The provider's rate limit is used up by the mails before this one", delay=wait)
            self._sleep(wait.total_seconds())
            if verdict == "go" and not (wait and self._paused()):
                return
            left -= wait

    def learn(self, headers: Mapping[str, str]) -> None:
        """Take over the limit that the provider names in its answer."""
        rate = rate_in(headers)
        if rate is None or (rate == self._known and self._clock() < self._known_at + LEARN_AGAIN_SECONDS):
            return
        try:
            self._learn(keys=[RATE, PLACES], args=[rate, round(RATE_IS_KEPT.total_seconds()), used_in(headers)])
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
            requests_per_second=float(rate) if rate else None,
            paused_for=timedelta(milliseconds=pause) if pause > 0 else None,
            reason=reason.decode() if reason else None,
        )

    def _paused(self) -> bool:
        """Whether a pause began while this one slept: then its place lies in the pause."""
        try:
            return bool(self._client.exists(PAUSE))
        except redis.RedisError:
            return False

    def _ask(self, longest: timedelta) -> tuple[str, timedelta, str]:
        try:
            verdict, wait, why = self._take(keys=[RATE, PLACES, PAUSE], args=[longest.total_seconds() * 1000, MARGIN, SPREAD])
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
    text = _header(headers, "ratelimit-limit")
    found = NUMBER.fullmatch(text)
    window = re.search(r";\s*w=(\d{1,9})", text)
    if found is None or int(found[1]) == 0 or (window and int(window[1]) == 0):
        return None
    return int(found[1]) / (int(window[1]) if window else 1)


def used_in(headers: Mapping[str, str]) -> int:
    """How many requests of the provider's present window are used up."""
    limit, remaining = (NUMBER.fullmatch(_header(headers, f"ratelimit-{name}")) for name in ("limit", "remaining"))
    return max(0, int(limit[1]) - int(remaining[1])) if limit and remaining else 0


def _header(headers: Mapping[str, str], name: str) -> str:
    return {key.lower(): value for key, value in headers.items()}.get(name, "")
