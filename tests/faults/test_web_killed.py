"""The web process dies: its parent starts it again, and what it had acknowledged is stored."""

from __future__ import annotations

from tests.faults.conftest import Measure, StartAll
from tests.faults.storefront import Storefront


def test_a_killed_web_worker_is_replaced_and_what_it_acknowledged_is_done(
    shop: Storefront, start_all: StartAll, measured: Measure, bound: float
) -> None:
    web, _, _ = start_all("web", "worker", "beat")
    purchases = shop.sell(20)
    shop.pay(purchases[:10])

    for child in web.family()[1:]:
        child.kill()
    with measured("Web worker killed: the door takes events again"):
        shop.pay_until_taken(purchases[10:11], bound)

    shop.pay_until_taken(purchases[11:], bound)
    shop.wait_until_done(purchases, bound)
    shop.check_once(purchases)
    assert web.running
