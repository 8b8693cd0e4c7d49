"""The machine loses power: web, worker, beat, Redis and PostgreSQL are all killed in the middle of the work."""

from __future__ import annotations

from local.postgres import Postgres
from local.redis_server import RedisServer
from tests.eventually import eventually
from tests.faults.conftest import Measure, StartAll
from tests.faults.storefront import Storefront


def test_what_was_acknowledged_is_done_once_when_everything_is_started_again(
    shop: Storefront, start_all: StartAll, redis_server: RedisServer, postgres_server: Postgres, measured: Measure, bound: float
) -> None:
    processes = start_all("web", "worker", "beat")
    purchases = shop.sell(50)
    acknowledged = shop.pay(purchases)
    assert {answer.status for answer in acknowledged} == {200}
    eventually(lambda: shop.unfinished(purchases).get("mails", 0) < 45)

    for process in processes:
        process.kill()
    redis_server.kill()
    postgres_server.kill()
    assert shop.deliver(shop.payment_of(purchases[0])).status == 0

    postgres_server.start()
    redis_server.start()
    start_all("web", "worker", "beat")
    with measured("Everything killed and started again: all that was acknowledged is done"):
        shop.wait_until_done(purchases, bound)
    shop.check_once(purchases)
