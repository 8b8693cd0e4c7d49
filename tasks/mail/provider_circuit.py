"""The circuit breaker before the provider: while it is down, mails wait without using up their attempts.

After ``FAILURES`` requests in a row without a sensible answer the circuit opens for 5, then 10, 20, 40 and at most 60 s. When that
time is over one mail goes first; if it gets through, the circuit closes for everybody. Redis holds the state for all workers;
without Redis the circuit stays closed.
"""

from __future__ import annotations

from datetime import timedelta
from enum import Enum
from functools import cache
from typing import NamedTuple

import redis
import structlog

from tasks.errors import Deferred
from tasks.publishing import redis_client

log = structlog.get_logger()

FAILED, OPEN, LEVEL, PROBE = "redrive:circuit:failed", "redrive:circuit:open", "redrive:circuit:level", "redrive:circuit:probe"
FAILURES = 10
IN_A_ROW = timedelta(minutes=5)  # failures further apart than this have nothing to do with each other
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(seconds=60)
PROBE_TAKES = timedelta(seconds=30)  # a probe that has not come back by then has died
FORGOTTEN_AFTER = timedelta(hours=1)

NOTE_A_FAILURE = """
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
if redis.call('EXISTS', KEYS[3]) == 0 then
  local failed = redis.call('INCR', KEYS[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  if failed < tonumber(ARGV[1]) then return 0 end
end
local level = redis.call('INCR', KEYS[3])
redis.call('PEXPIRE', KEYS[3], ARGV[5])
local pause = math.min(ARGV[3] * 2 ^ (level - 1), tonumber(ARGV[4]))
redis.call('SET', KEYS[2], level, 'PX', math.floor(pause))
redis.call('DEL', KEYS[1], KEYS[4])
return math.floor(pause)
"""


class CircuitOpen(Deferred):
    """The provider is down."""


class State(Enum):
    """What the circuit does with a mail: let it through, hold it back, or let one through to see."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class CircuitStatus(NamedTuple):
    """What operators see."""

    state: State
    failures_in_a_row: int
    retry_in: timedelta | None


class ProviderCircuit:
    """One process's view of the circuit."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._note_failure = client.register_script(NOTE_A_FAILURE)
        self._in_doubt = False  # whether an answer has something to reset

    def enter(self) -> None:
        """Let this mail through, or raise ``CircuitOpen`` with the time until it is worth another try."""
        try:
            status = self.status()
            self._in_doubt = status.state is not State.CLOSED or status.failures_in_a_row > 0
            if status.state is State.CLOSED or (status.state is State.HALF_OPEN and self._goes_first()):
                return
        except redis.RedisError as away:
            log.warning("circuit.unknown", error=type(away).__name__)
            return
        raise CircuitOpen("The provider does not answer; mails wait until it does", delay=status.retry_in or FIRST_PAUSE)

    def answered(self) -> None:
        """The provider gave a sensible answer, whatever it was: close the circuit."""
        if not self._in_doubt:
            return
        try:
            if self._client.delete(LEVEL, OPEN, PROBE, FAILED) > 1:
                log.warning("circuit.closed")
        except redis.RedisError as away:
            log.warning("circuit.unknown", error=type(away).__name__)

    def failed(self) -> None:
        """The provider gave no answer, or one that says it is broken."""
        limits = [FAILURES, *(round(time.total_seconds() * 1000) for time in (IN_A_ROW, FIRST_PAUSE, LONGEST_PAUSE, FORGOTTEN_AFTER))]
        try:
            pause = int(self._note_failure(keys=[FAILED, OPEN, LEVEL, PROBE], args=limits))
        except redis.RedisError as away:
            log.warning("circuit.unknown", error=type(away).__name__)
            return
        if pause:
            log.error("circuit.opened", seconds=pause / 1000)

    def status(self) -> CircuitStatus:
        """Raises ``redis.RedisError`` if Redis is away."""
        questions = self._client.pipeline(transaction=False)
        questions.pttl(OPEN)
        questions.get(LEVEL)
        questions.get(FAILED)
        pause, level, failed = questions.execute()
        state = State.OPEN if pause > 0 else State.HALF_OPEN if level else State.CLOSED
        return CircuitStatus(state, int(failed or 0), timedelta(milliseconds=pause) if pause > 0 else None)

    def _goes_first(self) -> bool:
        return bool(self._client.set(PROBE, 1, nx=True, px=PROBE_TAKES))


@cache
def circuit() -> ProviderCircuit:
    """The circuit of this process."""
    return ProviderCircuit(redis_client(timeout_seconds=0.25))
