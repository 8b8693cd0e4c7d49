"""Stripe events of the current API version, built without a server and always the same from the same arguments."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from simulator.stripe_aftermath import dispute, invoice, refund
from simulator.stripe_ids import stripe_id
from simulator.stripe_objects import StripeJson, charge, checkout_session, payment_intent
from simulator.stripe_sale import PaymentStatus, Sale

API_VERSION = "2026-10-28.endive"

Event = dict[str, Any]
"""One event as JSON; ``encode_event`` gives the bytes that Stripe would deliver."""

__all__ = ["API_VERSION", "BUILDERS", "Details", "Event", "Sale", "build_event", "encode_event", "event_envelope", "override"]


@dataclass(frozen=True, kw_only=True)
class Details:
    """What can differ between two events of one type about one sale; a type reads only what it needs.

    ``refund_cents`` (default: all that is left) is the refund of this event, ``refunded_before_cents`` what went back earlier.
    ``refund_id`` names the refund; by default it follows from the sale and what was refunded before.
    """

    payment_status: PaymentStatus = "paid"
    refund_cents: int | None = None
    refunded_before_cents: int = 0
    refund_id: str | None = None
    dispute_status: str | None = None
    at: int = 0

    def refund_of(self, sale: Sale, status: str = "succeeded") -> StripeJson:
        amount = sale.amount_cents - self.refunded_before_cents if self.refund_cents is None else self.refund_cents
        identity = self.refund_id or stripe_id("re_3", f"{sale.purchase_id}:{self.refunded_before_cents}")
        return refund(sale, refund_id=identity, amount_cents=amount, created=self.at, status=status)


Built = tuple[StripeJson, StripeJson | None]
"""The object that an event carries, and the previous values of what changed in it."""


def build_event(event_type: str, sale: Sale, *, created: int, event_id: str | None = None, details: Details | None = None) -> Event:
    """One event of ``event_type`` about ``sale``; a type without a builder carries a plain object, as a type we never heard of.

    The id follows from the type, the sale and ``created``, so that building the same event twice gives a duplicate.
    """
    details = _at(details or Details(), created)
    build = BUILDERS.get(event_type, _unknown)
    data_object, previous = build(sale, details)
    identity = event_id or stripe_id("evt_1", f"{event_type}:{sale.purchase_id}:{created}:{details.refunded_before_cents}")
    return event_envelope(event_type, data_object, created=created, event_id=identity, livemode=sale.livemode, previous=previous)


def event_envelope(
    event_type: str, data_object: StripeJson, *, created: int, event_id: str, livemode: bool, previous: StripeJson | None = None
) -> Event:
    """``data_object`` as it stands, wrapped as an event."""
    data: StripeJson = {"object": data_object}
    if previous is not None:
        data["previous_attributes"] = previous
    return {
        "id": event_id,
        "object": "event",
        "api_version": API_VERSION,
        "created": created,
        "data": data,
        "livemode": livemode,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": event_type,
    }


def encode_event(event: Event) -> bytes:
    """The body as Stripe writes it: indented by two, in UTF-8."""
    return json.dumps(event, indent=2, ensure_ascii=False).encode()


def override(event: Event, changes: Mapping[str, object]) -> Event:
    """A copy with values replaced by dotted path: ``{"data.object.amount_total": 1}``; lists are indexed by number."""
    copy: Event = json.loads(json.dumps(event))
    for path, value in changes.items():
        *parents, last = path.split(".")
        place: Any = copy
        for name in parents:
            place = place[int(name)] if isinstance(place, list) else place.setdefault(name, {})
        place[int(last) if isinstance(place, list) else last] = value
    return copy


def _at(details: Details, created: int) -> Details:
    return details if details.at else Details(**{**details.__dict__, "at": created})


def _completed(sale: Sale, details: Details) -> Built:
    return checkout_session(sale, payment_status=details.payment_status), None


def _async_payment_succeeded(sale: Sale, _details: Details) -> Built:
    return checkout_session(sale, payment_status="paid"), None


def _async_payment_failed(sale: Sale, _details: Details) -> Built:
    return checkout_session(sale, payment_status="unpaid"), None


def _expired(sale: Sale, _details: Details) -> Built:
    return checkout_session(sale, status="expired", payment_status="unpaid"), None


def _charge_refunded(sale: Sale, details: Details) -> Built:
    """Cumulative: the charge says all that ever went back, ``previous_attributes`` what had gone back before."""
    total = details.refunded_before_cents + int(details.refund_of(sale)["amount"])
    body = charge(sale, refunded_cents=total)
    previous: StripeJson = {"amount_refunded": details.refunded_before_cents, "receipt_url": None}
    return body, previous | ({"refunded": False} if body["refunded"] else {})


def _refund_created(sale: Sale, details: Details) -> Built:
    return details.refund_of(sale), None


def _refund_updated(sale: Sale, details: Details) -> Built:
    return details.refund_of(sale), {"destination_details": {"card": {"reference": None, "reference_status": "pending"}}}


def _refund_failed(sale: Sale, details: Details) -> Built:
    return details.refund_of(sale, "failed"), {"status": "succeeded"}


def _dispute_created(sale: Sale, details: Details) -> Built:
    return dispute(sale, status=details.dispute_status or "needs_response", created=details.at), None


def _dispute_closed(sale: Sale, details: Details) -> Built:
    return dispute(sale, status=details.dispute_status or "lost", created=details.at), {"status": "under_review"}


def _invoice_paid(sale: Sale, _details: Details) -> Built:
    return invoice(sale), None


def _payment_succeeded(sale: Sale, _details: Details) -> Built:
    return payment_intent(sale), None


def _unknown(sale: Sale, _details: Details) -> Built:
    return {"id": sale.other_id("obj_"), "object": "unheard_of", "livemode": sale.livemode, "metadata": sale.all_metadata}, None


BUILDERS: Mapping[str, Callable[[Sale, Details], Built]] = {
    "checkout.session.completed": _completed,
    "checkout.session.async_payment_succeeded": _async_payment_succeeded,
    "checkout.session.async_payment_failed": _async_payment_failed,
    "checkout.session.expired": _expired,
    "charge.refunded": _charge_refunded,
    "refund.created": _refund_created,
    "refund.updated": _refund_updated,
    "refund.failed": _refund_failed,
    "charge.dispute.created": _dispute_created,
    "charge.dispute.closed": _dispute_closed,
    "invoice.paid": _invoice_paid,
    "payment_intent.succeeded": _payment_succeeded,
}
