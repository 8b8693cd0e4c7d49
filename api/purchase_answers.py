"""How the API shows a purchase."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from models.purchases import Purchase, items_of, undelivered_items


class ItemAnswer(BaseModel):
    """One line; ``delivered`` is null until the purchase is completed, and false for a lead that somebody else got first."""

    description: str
    quantity: int
    unit_amount_cents: int
    amount_cents: int
    lead_id: UUID | None
    credits: int | None
    delivered: bool | None


class PurchaseAnswer(BaseModel):
    """A purchase with its items; a mark that is null has not happened."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    kind: str
    status: str
    email: str
    name: str | None
    currency: str
    amount_cents: int
    refunded_cents: int
    checkout_session_id: str | None
    checkout_url: str | None
    dispute_status: str | None
    created_at: datetime
    completed_at: datetime | None
    fulfilled_at: datetime | None
    refunded_at: datetime | None
    cancelled_at: datetime | None
    disputed_at: datetime | None
    items: list[ItemAnswer]


def show(session: Session, purchase: Purchase) -> PurchaseAnswer:
    """The purchase as it is now."""
    marks = {name: getattr(purchase, name) for name in PurchaseAnswer.model_fields if hasattr(purchase, name)}
    others = {
        "email": purchase.buyer_email,
        "name": purchase.buyer_name,
        "checkout_session_id": purchase.stripe_checkout_session_id,
        "items": _items(session, purchase),
    }
    return PurchaseAnswer.model_validate(marks | others)


def _items(session: Session, purchase: Purchase) -> list[ItemAnswer]:
    completed = purchase.completed_at is not None
    missing = undelivered_items(session, purchase.id) if completed and purchase.kind == "leads" else []
    return [
        ItemAnswer(
            description=item.description,
            quantity=item.quantity,
            unit_amount_cents=item.unit_amount_cents,
            amount_cents=item.amount_cents,
            lead_id=item.lead_id,
            credits=item.credits,
            delivered=item not in missing if completed else None,
        )
        for item in items_of(session, purchase.id)
    ]
