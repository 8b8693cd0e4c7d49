"""PostgreSQL hangs: connections stay open and no statement ends."""

from __future__ import annotations

from local.postgres import Postgres
from tests.faults.conftest import Measure, StartAll
from tests.faults.storefront import Storefront


def test_every_answer_comes_within_two_seconds_and_all_is_done_once_it_goes_on(
    shop: Storefront, start_all: StartAll, postgres_server: Postgres, measured: Measure, bound: float
) -> None:
    processes = start_all("web", "worker", "beat")
    purchases = shop.sell(30)
    shop.pay(purchases[:20])

    postgres_server.pause()  # some are done, some are being worked on
    refused = shop.pay(purchases[20:])
    assert {(answer.status, answer.retry_after) for answer in refused} == {(503, "30")}
    assert max(answer.seconds for answer in refused) < 2

    postgres_server.resume()
    with measured("PostgreSQL hung under load and went on: all is done"):
        shop.pay_until_taken(purchases[20:], bound)
        shop.wait_until_done(purchases, bound)
    shop.check_once(purchases)
    assert all(process.running for process in processes)
