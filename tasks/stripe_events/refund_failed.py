"""``refund.failed``: a refund that was reported as done did not reach the buyer; the money is back with the shop."""

from __future__ import annotations

from sqlalchemy.orm import Session

from models.payment_reports import NewReport
from tasks.shop.money_back import take_report
from tasks.shop.purchase_errors import MalformedEvent
from tasks.shop.stripe_objects import occurred_at, optional_id, required_amount, required_id
from tasks.stripe_events import StripeEvent, handles


@handles("refund.failed")
def count_failed_refund(session: Session, event: StripeEvent) -> None:
    """Takes the refund back out of the purchase's sum, and lets a person know that the buyer still waits."""
    payment_intent_id, charge_id = optional_id(event, "payment_intent"), optional_id(event, "charge")
    if payment_intent_id is None and charge_id is None:
        raise MalformedEvent(f"the refund.failed event {event.id} names neither a payment intent nor a charge")
    take_report(
        session,
        NewReport(
            stripe_event_id=event.id,
            kind="refund_failure",
            stripe_payment_intent_id=payment_intent_id,
            stripe_charge_id=charge_id,
            stripe_object_id=required_id(event, "id"),
            amount_cents=required_amount(event, "amount"),
            occurred_at=occurred_at(event),
        ),
    )
