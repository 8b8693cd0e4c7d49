"""Redis is stopped: the door goes on as if nothing were the matter, and all work is done when Redis is back."""

from __future__ import annotations

from statistics import median

from local.redis_server import RedisServer
from tests.faults.conftest import Measure, StartAll
from tests.faults.storefront import Storefront


def test_events_are_taken_at_normal_speed_without_redis_and_done_when_it_is_back(
    shop: Storefront, start_all: StartAll, redis_server: RedisServer, measured: Measure, bound: float
) -> None:
    start_all("web", "worker", "beat")
    purchases = shop.sell(60)
    usual = shop.pay(purchases[:20])

    redis_server.kill()
    without = shop.pay(purchases[20:])
    assert {answer.status for answer in [*usual, *without]} == {200}
    assert median(answer.seconds for answer in without) < 2 * median(answer.seconds for answer in usual) + 0.01
    assert max(answer.seconds for answer in without) < 0.5

    redis_server.start()
    with measured("Redis stopped and started again: all that came meanwhile is done"):
        shop.wait_until_done(purchases, bound)
    shop.check_once(purchases)
