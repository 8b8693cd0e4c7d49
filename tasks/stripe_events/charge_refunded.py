"""``charge.refunded``: all or part of a payment went back to the buyer."""

from __future__ import annotations

from sqlalchemy.orm import Session

from models.payment_reports import NewReport
from tasks.shop.money_back import take_report
from tasks.shop.stripe_objects import occurred_at, optional_amount, optional_id, required_amount, required_id
from tasks.stripe_events import StripeEvent, handles


@handles("charge.refunded")
def count_refund(session: Session, event: StripeEvent) -> None:
    """The charge tells all that ever went back; what it told before (if it says) makes the difference this refund."""
    total = required_amount(event, "amount_refunded")
    before = optional_amount(event, event.previous_attributes, "amount_refunded")
    take_report(
        session,
        NewReport(
            stripe_event_id=event.id,
            kind="refund",
            stripe_payment_intent_id=optional_id(event, "payment_intent"),
            stripe_charge_id=required_id(event, "id"),
            stripe_object_id=required_id(event, "id"),
            amount_cents=None if before is None else max(total - before, 0),
            cumulative_cents=total,
            occurred_at=occurred_at(event),
        ),
    )
