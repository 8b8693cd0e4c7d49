"""PostgreSQL is killed: the door says so at once, and web, worker and beat go on by themselves when it is back."""

from __future__ import annotations

from local.postgres import Postgres
from tests.eventually import eventually
from tests.faults.conftest import Measure, StartAll
from tests.faults.storefront import Storefront


def test_the_sender_is_told_to_come_back_and_nothing_is_left_half_done(
    shop: Storefront, start_all: StartAll, postgres_server: Postgres, measured: Measure, bound: float
) -> None:
    processes = start_all("web", "worker", "beat")
    purchases = shop.sell(40)
    shop.pay(purchases[:25])
    eventually(lambda: shop.unfinished(purchases).get("purchases", 0) < 35)

    postgres_server.kill()  # in the middle of the others
    refused = shop.pay(purchases[25:])
    assert {(answer.status, answer.retry_after) for answer in refused} == {(503, "30")}
    assert max(answer.seconds for answer in refused) < 2

    postgres_server.start()
    with measured("PostgreSQL killed and started again: the first event is taken"):
        shop.pay_until_taken(purchases[25:26], bound)
    with measured("PostgreSQL killed under load and started again: all is done"):
        shop.pay_until_taken(purchases[26:], bound)
        shop.wait_until_done(purchases, bound)
    shop.check_once(purchases)
    assert all(process.running for process in processes)
