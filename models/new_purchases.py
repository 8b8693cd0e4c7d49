"""Making a purchase: the pending row with its items, idempotent by the caller's key, then its checkout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or_not
from sqlalchemy.orm import Session

from models.purchases import Kind, Purchase, PurchaseItem


@dataclass(frozen=True, kw_only=True)
class NewItem:
    """One line of a purchase to be made."""

    description: str
    unit_amount_cents: int
    quantity: int = 1
    lead_id: UUID | None = None
    credits: int | None = None


@dataclass(frozen=True, kw_only=True)
class NewPurchase:
    """A purchase to be made; ``idempotency_key`` and ``request_fingerprint`` come together or not at all."""

    kind: Kind
    buyer_email: str
    currency: str
    items: Sequence[NewItem]
    buyer_name: str | None = None
    idempotency_key: str | None = None
    request_fingerprint: str | None = None

    @property
    def amount_cents(self) -> int:
        """What the purchase asks for."""
        return sum(item.quantity * item.unit_amount_cents for item in self.items)


def add_purchase(session: Session, new: NewPurchase) -> Purchase | None:
    """The pending purchase; None if another one was made with the same idempotency key."""
    values = {name: getattr(new, name) for name in ("kind", "buyer_email", "buyer_name", "currency", "amount_cents")}
    values |= {"idempotency_key": new.idempotency_key, "request_fingerprint": new.request_fingerprint}
    statement = insert_or_not(Purchase).values(**values).on_conflict_do_nothing(index_elements=[Purchase.idempotency_key])
    purchase = session.scalars(statement.returning(Purchase)).one_or_none()
    if purchase is not None:
        rows = [{"purchase_id": purchase.id, "position": position, **asdict(item)} for position, item in enumerate(new.items, start=1)]
        session.execute(insert(PurchaseItem), rows)
    return purchase


def purchase_made_with(session: Session, idempotency_key: str) -> Purchase | None:
    return session.scalars(select(Purchase).where(Purchase.idempotency_key == idempotency_key)).one_or_none()


def save_checkout(session: Session, purchase_id: UUID, *, session_id: str, url: str | None) -> None:
    """Remember where the buyer pays, unless an event was faster and told which session it was."""
    session.execute(
        update(Purchase)
        .where(Purchase.id == purchase_id, Purchase.checkout_url.is_(None), Purchase.stripe_checkout_session_id.is_(None))
        .values(stripe_checkout_session_id=session_id, checkout_url=url)
    )
