"""The events of a purchase end in the same state in whatever order and number they come."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from models.purchases import Purchase
from simulator.stripe_events import Event, Sale
from tests.shop import add_leads, buy_credits, buy_leads, buy_products, emails, failures, handle, purchase_now, sale_of, told

MONEY_BACK = st.lists(st.tuples(st.integers(1, 3_000), st.booleans()), max_size=4)
BEGINNINGS = {
    "paid at once": [("checkout.session.completed", "paid")],
    "paid later": [("checkout.session.completed", "unpaid"), ("checkout.session.async_payment_succeeded", "paid")],
    "paid after all": [("checkout.session.expired", "unpaid"), ("checkout.session.completed", "paid")],
    "payment failed": [("checkout.session.completed", "unpaid"), ("checkout.session.async_payment_failed", "unpaid")],
    "left": [("checkout.session.expired", "unpaid")],
}
SHELF = {
    "leads": lambda session: buy_leads(session, add_leads(session, 2)),
    "credits": lambda session: buy_credits(session, 77),
    "products": lambda session: buy_products(session, amount_cents=5_000),
}


@settings(
    max_examples=40,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.sampled_from(sorted(SHELF)), st.sampled_from(sorted(BEGINNINGS)), MONEY_BACK, st.sampled_from(["", "won", "lost"]), st.data())
def test_the_end_is_the_same_in_any_order_and_any_number_of_times(
    session: Session, kind: str, beginning: str, money_back: list[tuple[int, bool]], dispute: str, data: st.DataObject
) -> None:
    with session.begin_nested() as clean:
        purchase = SHELF[kind](session)
        story, kept_by_buyer = _story(sale_of(purchase), beginning, money_back, dispute)
        in_order = _end(session, purchase, story)
        assert in_order["refunded_cents"] == kept_by_buyer
        shuffled = data.draw(st.permutations(story + data.draw(st.lists(st.sampled_from(story), max_size=4))))
        assert _end(session, purchase, shuffled) == in_order
        clean.rollback()


def _story(sale: Sale, beginning: str, money_back: list[tuple[int, bool]], dispute: str) -> tuple[list[Event], int]:
    """As Stripe would tell it, and what has really gone back in the end; a failed refund lowers the charge's total again."""
    story = [told(event_type, sale, payment_status=status) for event_type, status in BEGINNINGS[beginning]]
    if "paid" not in beginning:
        return story, 0
    total = 0
    for number, (wanted, fails) in enumerate(money_back):
        cents = min(wanted, sale.amount_cents - total)
        if cents:
            refund: dict[str, Any] = {"refund_cents": cents, "refunded_before_cents": total, "refund_id": f"re_{sale.purchase_id}_{number}"}
            story.append(told("charge.refunded", sale, **refund))
            story += [told("refund.failed", sale, **refund)] if fails else []
            total += 0 if fails else cents
    if dispute:
        story.append(told("charge.dispute.created", sale, created=1_793_000_100))
        story.append(told("charge.dispute.closed", sale, created=1_793_000_200, dispute_status=dispute))
    return story, total


def _end(session: Session, purchase: Purchase, events: list[Event]) -> dict[str, object]:
    """Handle the events, describe what came of them, and undo it all."""
    with session.begin_nested() as attempt:
        for event in events:
            handle(session, event)
        end = _description(session, purchase_now(session, purchase.id))
        attempt.rollback()
    session.expire_all()
    return end


def _description(session: Session, purchase: Purchase) -> dict[str, object]:
    announced = sum(mail["refunded_cents"] for mail in emails(session, "refund"))
    assert announced == purchase.refunds_announced_cents >= purchase.refunded_cents
    marks = (purchase.completed_at, purchase.fulfilled_at, purchase.refunded_at, purchase.cancelled_at)
    receipts = emails(session, "purchase") + emails(session, "credit_purchase")
    return {
        "status": purchase.status,
        "marks": [mark is not None for mark in marks],
        "dispute": (purchase.dispute_status, purchase.disputed_at),
        "refunded_cents": purchase.refunded_cents,
        "payment": (purchase.stripe_payment_intent_id, purchase.buyer_name, purchase.user_id is not None),
        "leads": session.execute(text("SELECT count(*) FROM leads WHERE sold_to_purchase_id = :id"), {"id": purchase.id}).scalar_one(),
        "credits": session.execute(text("SELECT coalesce(sum(amount), 0) FROM credit_entries")).scalar_one(),
        "receipts": [{name: value for name, value in receipt.items() if name != "balance"} for receipt in receipts],
        "welcomes": len(emails(session, "welcome")),
        "failures": Counter(failure.reason for failure in failures(session)),
    }
