"""Reading Stripe's objects: liberal about what may be absent in some API version, strict about what we act on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from tasks.shop.purchase_errors import MalformedEvent
from tasks.stripe_events import StripeEvent

LARGEST_AMOUNT = 10**15
LONGEST_ID = 255
LONGEST_NAME = 200


@dataclass(frozen=True, kw_only=True)
class CheckoutSession:
    """What a Checkout session says about a purchase; ``purchase_ids`` are the names that we gave it, the surest first."""

    id: str
    purchase_ids: tuple[UUID, ...]
    payment_intent_id: str | None
    buyer_name: str | None
    amount_cents: int | None
    currency: str | None
    not_ours: bool


def read_checkout_session(event: StripeEvent) -> CheckoutSession:
    """The session of a ``checkout.session.*`` event; raises ``MalformedEvent`` if it has no id."""
    session, metadata = event.object, event.metadata()
    customer = session.get("customer_details")
    names = (session.get("client_reference_id"), metadata.get("purchase_id"))
    return CheckoutSession(
        id=required_id(event, "id"),
        purchase_ids=tuple(dict.fromkeys(uuid for uuid in map(_uuid, names) if uuid is not None)),
        payment_intent_id=optional_id(event, "payment_intent"),
        buyer_name=_name(customer.get("name")) if isinstance(customer, dict) else None,
        amount_cents=optional_amount(event, session, "amount_total"),
        currency=_currency(session.get("currency")),
        not_ours=metadata.get("redrive") == "ignore",
    )


def payment_status(event: StripeEvent) -> str:
    """``paid``, ``unpaid`` or ``no_payment_required``; goods go out because of this word, so a missing one is never guessed."""
    status = event.object.get("payment_status")
    if not isinstance(status, str) or not status:
        raise MalformedEvent(f"the {event.type} event {event.id} has no payment_status, so nobody knows whether it was paid")
    return status


def required_id(event: StripeEvent, field: str) -> str:
    """The id in ``field``, which may also be the whole object."""
    found = optional_id(event, field)
    if found is None:
        raise MalformedEvent(f"the {event.type} event {event.id} has no usable {field}")
    return found


def optional_id(event: StripeEvent, field: str) -> str | None:
    """The id in ``field``; None if it is empty or absent."""
    value: Any = event.object.get(field)
    if isinstance(value, dict):  # expanded
        value = value.get("id")
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > LONGEST_ID or not value.isprintable():
        raise MalformedEvent(f"the {field} of the {event.type} event {event.id} is not an id")
    return value


def required_amount(event: StripeEvent, field: str) -> int:
    amount = optional_amount(event, event.object, field)
    if amount is None:
        raise MalformedEvent(f"the {event.type} event {event.id} has no {field}")
    return amount


def optional_amount(event: StripeEvent, holder: dict[str, Any], field: str) -> int | None:
    """Money in minor units; None if it is absent."""
    value = holder.get(field)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_AMOUNT:
        raise MalformedEvent(f"the {field} of the {event.type} event {event.id} is not an amount in minor units")
    return value


def occurred_at(event: StripeEvent) -> datetime:
    """When Stripe made the event; it only dates things and never orders them."""
    try:
        return datetime.fromtimestamp(event.created, UTC)
    except (OverflowError, ValueError, OSError):
        raise MalformedEvent(f"the created time of the {event.type} event {event.id} is not a time") from None


def _uuid(value: object) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _name(value: object) -> str | None:
    """A person's name as one line; what cannot be shown is left out, since a name must never stop a purchase."""
    if not isinstance(value, str):
        return None
    shown = "".join(character if character.isprintable() else " " for character in value)
    return " ".join(shown.split())[:LONGEST_NAME].strip() or None


def _currency(value: object) -> str | None:
    return value.lower() if isinstance(value, str) else None
