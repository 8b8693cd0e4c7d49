"""A shop for tests: leads and purchases on the shelf, Stripe's events handled as a worker would, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from models.leads import Lead
from models.new_purchases import NewItem, NewPurchase, add_purchase
from models.purchases import Purchase
from models.schema import Json
from simulator.stripe_events import Details, Event, Sale, build_event
from tasks import stripe_webhooks  # fills the shelf
from tasks.stripe_events import StripeEvent, handler_of

__all__ = ["add_leads", "buy_credits", "buy_leads", "buy_products", "emails", "failures", "handle", "sale_of", "stripe_webhooks", "told"]

EMAIL = "ada@example.com"


def add_leads(session: Session, count: int, *, price_cents: int = 2_500, currency: str = "usd") -> list[UUID]:
    """Leads for sale, in order of their ids."""
    rows = [{"title": f"Lead {number}", "price_cents": price_cents, "currency": currency} for number in range(1, count + 1)]
    return sorted(session.scalars(insert(Lead).returning(Lead.id), rows))


def buy_leads(session: Session, lead_ids: Sequence[UUID], *, email: str = EMAIL, price_cents: int = 2_500) -> Purchase:
    items = [NewItem(description=f"Lead {lead_id}", unit_amount_cents=price_cents, lead_id=lead_id) for lead_id in lead_ids]
    return _add(session, NewPurchase(kind="leads", buyer_email=email, currency="usd", items=items))


def buy_credits(session: Session, number: int, *, email: str = EMAIL, unit_amount_cents: int = 10) -> Purchase:
    item = NewItem(description=f"{number} credits", quantity=number, unit_amount_cents=unit_amount_cents, credits=number)
    return _add(session, NewPurchase(kind="credits", buyer_email=email, currency="usd", items=[item]))


def buy_products(session: Session, *, amount_cents: int = 1_999, email: str = EMAIL) -> Purchase:
    items = [NewItem(description="Handbook", unit_amount_cents=amount_cents)]
    return _add(session, NewPurchase(kind="products", buyer_email=email, currency="usd", items=items))


def _add(session: Session, new: NewPurchase) -> Purchase:
    purchase = add_purchase(session, new)
    assert purchase is not None
    return purchase


def sale_of(purchase: Purchase) -> Sale:
    """What Stripe knows of the purchase; ids are fresh for each purchase."""
    return Sale(purchase_id=str(purchase.id), email=purchase.buyer_email, amount_cents=purchase.amount_cents, currency=purchase.currency)


def told(event_type: str, sale: Sale, *, created: int = 1_793_000_000, event_id: str | None = None, **details: Any) -> Event:
    """An event of its own: unlike two deliveries of one event, two calls of this are two events."""
    return build_event(event_type, sale, created=created, event_id=event_id or f"evt_{uuid4().hex}", details=Details(**details))


def handle(session: Session, event: Event) -> None:
    """What ``process_stripe_webhook`` does with the event inside its transaction."""
    handler = handler_of(event["type"])
    assert handler is not None, event["type"]
    handler(session, StripeEvent(event))


def emails(session: Session, kind: str | None = None) -> list[Json]:
    """The payloads of the promised emails, in order of their keys."""
    rows = session.execute(text("SELECT notification_type, payload FROM notifications ORDER BY dedupe_key"))
    return [row.payload for row in rows if kind in {None, row.notification_type}]


def failures(session: Session) -> list[Any]:
    """The unresolved failed operations."""
    rows = session.execute(text("SELECT operation_id, reason, event_data FROM failed_operations WHERE resolved_at IS NULL ORDER BY reason"))
    return list(rows)


def purchase_now(session: Session, purchase_id: UUID) -> Purchase:
    return session.scalars(select(Purchase).where(Purchase.id == purchase_id), execution_options={"populate_existing": True}).one()
