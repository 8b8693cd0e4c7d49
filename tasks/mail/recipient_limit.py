"""At most so many emails a minute to one address, counted over all workers; what is over the limit waits for its turn.

Redis counts in a moving window. Without Redis nothing is counted: a mail too many is better than none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import cache
from hashlib import blake2b

import redis
import structlog
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter

from settings import get_settings
from tasks.errors import Deferred
from tasks.publishing import redis_client

log = structlog.get_logger()

WINDOW = timedelta(minutes=1)
HIT_ALL = f"""
local function hit(KEYS, ARGV)
{RedisStorage.SCRIPT_ACQUIRE_MOVING_WINDOW.decode()}
end
local taken = {{}}
for place, key in ipairs(KEYS) do taken[place] = hit({{key}}, ARGV) and 1 or 0 end
return taken
"""


class RecipientLimited(Deferred):
    """The address has had its share of this minute."""


class RecipientLimit:
    """``per_minute`` mails to each address; ``clock`` is the wall clock."""

    def __init__(self, client: redis.Redis, per_minute: int, *, clock: Callable[[], float] = time.time) -> None:
        self._hit_all = client.register_script(HIT_ALL)
        self._storage = RedisStorage("redis://", connection_pool=client.connection_pool, key_prefix="redrive:limit")
        self._limiter = MovingWindowRateLimiter(self._storage)
        self._item = RateLimitItemPerMinute(per_minute) if per_minute else None
        self._per_minute = per_minute
        self._clock = clock

    def take(self, addresses: Sequence[str], *, waiting: Callable[[str], int]) -> dict[int, RecipientLimited]:
        """Count one mail to each address; returns those that have to wait, by their place, each with the time until its turn.

        ``waiting`` says how many wait for an address already, so that each gets its own turn.
        """
        if self._item is None or not addresses:
            return {}
        try:
            full = [place for place, taken in enumerate(self._hit(self._item, addresses)) if not taken]
            return self._delays(self._item, {place: addresses[place] for place in full}, waiting)
        except redis.RedisError as away:
            log.warning("recipient_limit.uncounted", error=type(away).__name__)
            return {}

    def _hit(self, item: RateLimitItem, addresses: Sequence[str]) -> list[bool]:
        """What the limiter's own ``hit`` does, by its own script, for all addresses in one round trip."""
        keys = [self._storage.prefixed_key(item.key_for(_digest(address))) for address in addresses]
        return [bool(taken) for taken in self._hit_all(keys, [self._clock(), item.amount, item.get_expiry(), 1])]

    def _delays(self, item: RateLimitItem, full: Mapping[int, str], waiting: Callable[[str], int]) -> dict[int, RecipientLimited]:
        """The next turn of an address is when its window has room; those who wait before take one window for each ``per_minute``."""
        refusals, before, first = {}, {}, {}
        for place, address in full.items():
            key = _digest(address)
            if key not in before:
                free_at = self._limiter.get_window_stats(item, key).reset_time
                before[key], first[key] = waiting(address), timedelta(seconds=max(free_at - self._clock(), 0.5))
            delay = first[key] + before[key] // self._per_minute * WINDOW
            before[key] += 1
            refusals[place] = RecipientLimited(
                f"This address has had {self._per_minute} mails within a minute; the others wait", delay=delay
            )
        return refusals


@cache
def recipient_limit() -> RecipientLimit:
    """The limit of this process."""
    return RecipientLimit(redis_client(timeout_seconds=0.25), get_settings().recipient_limit_per_minute)


def _digest(address: str) -> str:
    """Redis need not know whom we write to; upper and lower case are the same person."""
    return blake2b(address.strip().lower().encode(), digest_size=16).hexdigest()
