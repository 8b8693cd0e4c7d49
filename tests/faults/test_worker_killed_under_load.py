"""The worker's main process is killed while it has much to do: Celery alone loses a message in a third of such kills."""

from __future__ import annotations

import signal

import psutil

from tests.eventually import eventually
from tests.faults.conftest import Measure, Start, StartAll
from tests.faults.storefront import Storefront


def test_a_backlog_survives_the_worker_twice(shop: Storefront, start: Start, start_all: StartAll, measured: Measure, bound: float) -> None:
    start_all("web", "beat")
    purchases = shop.sell(60)
    shop.pay(purchases)

    for left in (50, 30):
        worker = start("worker")
        eventually(lambda fewer=left: shop.unfinished(purchases).get("leads", 0) < fewer, 20)  # type: ignore[misc]
        children = worker.family()[1:]
        worker.send(signal.SIGKILL)
        psutil.wait_procs(children, timeout=5)
        assert not any(child.is_running() for child in children)  # none goes on working unseen
    start("worker")

    with measured("Worker killed (main process, under load) and started again: the whole backlog is done"):
        shop.wait_until_done(purchases, bound)
    shop.check_once(purchases)
