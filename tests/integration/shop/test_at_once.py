"""Workers that do the same purchase, the same leads or the same payment at once."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import text

from models.connection import transaction
from models.credit_entries import credit_balance
from simulator.stripe_events import Event
from tests.eventually import eventually
from tests.shop import add_leads, buy_credits, buy_leads, emails, failures, handle, purchase_now, sale_of, told

WAITING = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'")

pytestmark = pytest.mark.usefixtures("app_settings")


def _at_once(works: Sequence[Callable[[], object]]) -> None:
    """Each in a thread of its own, let go together; what one raises is raised here."""
    start = Barrier(len(works))

    def run(work: Callable[[], object]) -> None:
        start.wait(timeout=30)
        work()

    with ThreadPoolExecutor(len(works)) as threads:
        for done in [threads.submit(run, work) for work in works]:
            done.result(timeout=60)


def _handling(event: Event) -> Callable[[], None]:
    def work() -> None:
        with transaction() as session:
            handle(session, event)

    return work


def test_no_lead_is_sold_twice_and_nobody_waits_for_ever() -> None:
    chance = random.Random(7)
    with transaction() as session:
        leads = add_leads(session, 6)
        purchases = [buy_leads(session, chance.sample(leads, 4), email=f"buyer{number}@example.com") for number in range(8)]
    _at_once([_handling(told("checkout.session.completed", sale_of(purchase))) for purchase in purchases])

    with transaction() as session:
        assert session.execute(text("SELECT count(*) FROM purchases WHERE status = 'completed'")).scalar_one() == 8
        owners = list(session.scalars(text("SELECT sold_to_purchase_id FROM leads WHERE sold_at IS NOT NULL")))
        missed = {failure.operation_id: len(failure.event_data["lead_ids"]) for failure in failures(session)}
        assert len(owners) == 6
        for purchase in purchases:
            assert owners.count(purchase.id) + missed.get(purchase.id, 0) == 4


def test_one_event_handled_by_many_workers_counts_once() -> None:
    with transaction() as session:
        purchase = buy_credits(session, 100)
    events = [told("checkout.session.completed", sale_of(purchase))] * 4
    events += [told("charge.refunded", sale_of(purchase), refund_cents=500)] * 4
    _at_once([_handling(event) for event in events])
    with transaction() as session:
        now = purchase_now(session, purchase.id)
        assert now.user_id is not None
        assert (now.refunded_cents, credit_balance(session, now.user_id)) == (500, 50)
        assert len(emails(session)) == 3  # the receipt, the refund notice, the welcome


@pytest.mark.parametrize("first", ["charge.refunded", "checkout.session.completed"])
def test_a_refund_and_the_completion_it_belongs_to_never_miss_each_other(first: str) -> None:
    """Each alone would look, see nothing of the other's uncommitted work, and commit."""
    with transaction() as session:
        purchase = buy_credits(session, 10)
    events = {event_type: told(event_type, sale_of(purchase)) for event_type in ("charge.refunded", "checkout.session.completed")}
    with ThreadPoolExecutor(1) as threads:
        with transaction() as session:
            handle(session, events.pop(first))
            [other] = [threads.submit(_handling(event)) for event in events.values()]
            eventually(lambda: other.done() or session.execute(WAITING).scalar_one())
        other.result(timeout=30)
    with transaction() as session:
        assert purchase_now(session, purchase.id).refunded_cents == 100


def test_two_first_purchases_of_one_buyer_make_one_user() -> None:
    with transaction() as session:
        purchases = [buy_credits(session, 10, email=email) for email in ("ada@example.com", "ADA@example.com")]
    _at_once([_handling(told("checkout.session.completed", sale_of(purchase))) for purchase in purchases])
    with transaction() as session:
        assert session.execute(text("SELECT count(*) FROM users")).scalar_one() == 1
        assert len(emails(session, "welcome")) == 1
