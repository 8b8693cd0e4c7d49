"""Redis comes back without its data: every message is gone, and no work is."""

from __future__ import annotations

from local.redis_server import RedisServer
from tasks.publishing import queue_length
from tests.eventually import eventually
from tests.faults.conftest import Measure, Start, StartAll
from tests.faults.storefront import Storefront


def test_work_whose_messages_are_gone_is_done_all_the_same(
    shop: Storefront, start: Start, start_all: StartAll, redis_server: RedisServer, measured: Measure, bound: float
) -> None:
    start_all("web", "beat")
    purchases = shop.sell(30)
    shop.pay(purchases)
    eventually(lambda: queue_length("webhooks") == len(purchases))

    redis_server.lose_data()
    redis_server.start()
    assert queue_length("webhooks") == 0
    start("worker")

    with measured("Redis restarted empty with a backlog: all of it is done"):
        shop.wait_until_done(purchases, bound)
    shop.check_once(purchases)
