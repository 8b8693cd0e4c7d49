"""Reading Stripe's disputes."""

from __future__ import annotations

from typing import Literal

from models.payment_reports import NewReport
from tasks.shop.purchase_errors import MalformedEvent
from tasks.shop.stripe_objects import occurred_at, optional_amount, optional_id, required_id
from tasks.stripe_events import StripeEvent


def read_dispute(event: StripeEvent, kind: Literal["dispute_opened", "dispute_closed"]) -> NewReport:
    """The report in a ``charge.dispute.*`` event; inquiries (``warning_…``) are disputes to us as well."""
    status = event.object.get("status")
    if not isinstance(status, str) or not status.isidentifier():
        raise MalformedEvent(f"the {event.type} event {event.id} has no usable status")
    payment_intent_id, charge_id = optional_id(event, "payment_intent"), optional_id(event, "charge")
    if payment_intent_id is None and charge_id is None:
        raise MalformedEvent(f"the {event.type} event {event.id} names neither a payment intent nor a charge")
    return NewReport(
        stripe_event_id=event.id,
        kind=kind,
        stripe_payment_intent_id=payment_intent_id,
        stripe_charge_id=charge_id,
        stripe_object_id=required_id(event, "id"),
        amount_cents=optional_amount(event, event.object, "amount"),
        dispute_status=status,
        occurred_at=occurred_at(event),
    )
