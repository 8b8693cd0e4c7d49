"""At most so many emails a minute to one address, counted over all workers; what is over the limit waits for its turn.

Redis counts in a moving window. Without Redis nothing is counted: a mail too many is better than none.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from hashlib import blake2b

import redis
import structlog
from limits import RateLimitItemPerMinute
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter

from settings import get_settings
from tasks.errors import Deferred
from tasks.publishing import redis_client

log = structlog.get_logger()

WINDOW = timedelta(minutes=1)


class RecipientLimited(Deferred):
    """The address has had its share of this minute."""


class RecipientLimit:
    """``per_minute`` mails to each address; ``waiting`` says how many wait for this one already, so that each gets its own turn."""

    def __init__(self, client: redis.Redis, per_minute: int, *, clock: Callable[[], float] = time.time) -> None:
        storage = RedisStorage("redis://", connection_pool=client.connection_pool, key_prefix="redrive:limit")
        self._limiter = MovingWindowRateLimiter(storage)
        self._item = RateLimitItemPerMinute(per_minute) if per_minute else None
        self._per_minute = per_minute
        self._clock = clock

    def take(self, address: str, *, waiting: Callable[[], int]) -> None:
        """Count one mail to this address; raises ``RecipientLimited`` with the time until its turn."""
        if self._item is None:
            return
        key = _digest(address)
        try:
            if self._limiter.hit(self._item, key):
                return
            free_at = self._limiter.get_window_stats(self._item, key).reset_time
        except redis.RedisError as away:
            log.warning("recipient_limit.uncounted", error=type(away).__name__)
            return
        first = timedelta(seconds=max(free_at - self._clock(), 0.5))
        raise RecipientLimited(
            f"This address has had {self._per_minute} mails within a minute; the others wait", delay=first + self._turns(waiting()) * WINDOW
        )

    def _turns(self, waiting: int) -> int:
        """How many windows those before this one fill."""
        return waiting // self._per_minute


@cache
def recipient_limit() -> RecipientLimit:
    """The limit of this process."""
    return RecipientLimit(redis_client(timeout_seconds=0.25), get_settings().recipient_limit_per_minute)


def _digest(address: str) -> str:
    """Redis need not know whom we write to; upper and lower case are the same person."""
    return blake2b(address.strip().lower().encode(), digest_size=16).hexdigest()
