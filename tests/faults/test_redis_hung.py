"""Redis hangs: connections stay open and nothing answers."""

from __future__ import annotations

from statistics import median

from local.redis_server import RedisServer
from tests.eventually import eventually
from tests.faults.conftest import Measure, StartAll
from tests.faults.storefront import Storefront


def test_no_request_waits_for_a_redis_that_hangs_and_the_worker_consumes_again(
    shop: Storefront, start_all: StartAll, redis_server: RedisServer, measured: Measure, bound: float
) -> None:
    web, worker, beat = start_all("web", "worker", "beat")
    purchases = shop.sell(30)
    usual = shop.pay(purchases[:10])
    shop.wait_until_done(purchases[:10], bound)

    redis_server.pause()
    meanwhile = shop.pay(purchases[10:])
    assert {answer.status for answer in [*usual, *meanwhile]} == {200}
    assert median(answer.seconds for answer in meanwhile) < 2 * median(answer.seconds for answer in usual) + 0.01
    assert max(answer.seconds for answer in meanwhile) < 0.5
    eventually(lambda: "doorbell.silent" in web.log)
    eventually(lambda: "SchedulingError" in beat.log, 20)

    redis_server.resume()
    with measured("Redis hung and went on: all that came meanwhile is done"):
        shop.wait_until_done(purchases, bound)
    shop.check_once(purchases)
    assert all(process.running for process in (web, worker, beat))
