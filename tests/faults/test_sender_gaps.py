"""The sender has gaps: events that it made and never delivered are found in its list and taken in."""

from __future__ import annotations

import re

from simulator.control import SimulatorClient
from tasks.celery_app import app
from tests.faults.conftest import Measure, StartAll
from tests.faults.storefront import Storefront
from tests.fixtures.processes import completed


def test_events_that_were_never_delivered_are_healed_by_hand_and_every_hour(
    shop: Storefront, start_all: StartAll, simulator: SimulatorClient, app_environment: dict[str, str], measured: Measure, bound: float
) -> None:
    start_all("web", "worker")
    simulator.send_webhooks_to(app_environment["PUBLIC_URL"])
    purchases = shop.sell(6)

    def paid(number: int) -> None:
        purchase = purchases[number]
        simulator.trigger(
            "checkout.session.completed",
            purchase_id=str(purchase.id),
            email=purchase.buyer_email,
            amount_cents=purchase.amount_cents,
        )

    paid(0)
    simulator.script_stripe(delivery={"gap_next": 1_000})
    for number in (1, 2, 3):
        paid(number)
    with measured("Three events never delivered, `redrive reconcile`: all is done"):
        said = completed(["redrive", "reconcile", "--since", "2h"], app_environment)
        assert said.returncode == 0, said.stderr
        shop.wait_until_done(purchases[:4], bound)
    listed, found = map(int, re.findall(r"│\s+(\d+)\s+│", said.stdout))
    assert found == len({event.id for event in simulator.events() if event.state == "withheld"})
    assert listed > found

    for number in (4, 5):
        paid(number)
    app.send_task("tasks.reconcile_stripe_events", queue="sweeps")  # what Beat does every hour
    shop.wait_until_done(purchases, bound)
    shop.check_once(purchases)
