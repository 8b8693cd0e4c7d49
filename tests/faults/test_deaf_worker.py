"""A worker that no longer consumes, as after some reconnects (celery/celery#8030): it answers pings, and does nothing."""

from __future__ import annotations

from tasks.celery_app import app
from tests.eventually import eventually
from tests.faults.conftest import Measure, Start
from tests.faults.storefront import Storefront


def test_a_worker_that_takes_no_messages_ends_itself_and_its_successor_does_the_work(
    shop: Storefront, start: Start, measured: Measure
) -> None:
    start("web")
    worker = start("worker", CANARY_SECONDS="0.5")
    for queues in app.control.inspect().active_queues().values():
        for queue in queues:
            app.control.cancel_consumer(queue["name"], reply=True)
    purchases = shop.sell(1)
    shop.pay(purchases)
    assert app.control.ping(timeout=1)

    with measured("A worker deaf to its queues (canary every 0.5 s instead of 15): it has ended itself"):
        eventually(lambda: not worker.running, 20)
    assert "worker.deaf" in worker.log

    start("worker")  # as the platform does
    shop.wait_until_done(purchases, 10)
