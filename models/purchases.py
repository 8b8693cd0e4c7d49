"""``purchases`` with their ``purchase_items``: what somebody wants to buy, from the open checkout to money that went back.

``status`` only moves forward: ``pending``, ``awaiting_payment``, ``cancelled``, ``completed``. A payment outranks a cancellation,
so that the order in which a provider reports the two does not matter. Refunds and disputes are marks on a completed purchase.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, ForeignKey, exists, func, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.leads import Lead
from models.schema import CreatedAt, PrimaryKey, Table

Kind = Literal["leads", "credits", "products"]
NOW = text("now()")


class Purchase(Table):
    """One purchase; money is in minor units of ``currency``, and a mark that is NULL has not happened.

    ``refunded_cents`` is what went back and stayed there, ``refunds_announced_cents`` what the refund mails promised in all.
    ``fulfilled_at`` is set when everything was handed out: at completion for leads and credits, by the shop for products.
    """

    __tablename__ = "purchases"

    id: Mapped[PrimaryKey]
    kind: Mapped[str]
    status: Mapped[str] = mapped_column(server_default=text("'pending'"))
    buyer_email: Mapped[str]
    buyer_name: Mapped[str | None]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    currency: Mapped[str]
    amount_cents: Mapped[int]
    refunded_cents: Mapped[int] = mapped_column(server_default=text("0"))
    refunds_announced_cents: Mapped[int] = mapped_column(server_default=text("0"))
    stripe_checkout_session_id: Mapped[str | None] = mapped_column(unique=True)
    stripe_payment_intent_id: Mapped[str | None] = mapped_column(unique=True)
    checkout_url: Mapped[str | None]
    idempotency_key: Mapped[str | None] = mapped_column(unique=True)
    request_fingerprint: Mapped[str | None]
    completed_at: Mapped[datetime | None]
    fulfilled_at: Mapped[datetime | None]
    refunded_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    disputed_at: Mapped[datetime | None]
    dispute_status: Mapped[str | None]
    created_at: Mapped[CreatedAt]


class PurchaseItem(Table):
    """One line of a purchase: a lead, an amount of ``credits``, or whatever ``description`` says; never changed."""

    __tablename__ = "purchase_items"

    id: Mapped[PrimaryKey]
    purchase_id: Mapped[UUID] = mapped_column(ForeignKey("purchases.id", ondelete="CASCADE"))
    position: Mapped[int]
    lead_id: Mapped[UUID | None] = mapped_column(ForeignKey("leads.id"))
    description: Mapped[str]
    quantity: Mapped[int]
    unit_amount_cents: Mapped[int]
    credits: Mapped[int | None]

    @property
    def amount_cents(self) -> int:
        """The sum of the line."""
        return self.quantity * self.unit_amount_cents


def load_purchase(session: Session, purchase_id: UUID) -> Purchase | None:
    """The purchase as this session knows it."""
    return session.get(Purchase, purchase_id)


def items_of(session: Session, purchase_id: UUID) -> Sequence[PurchaseItem]:
    """The purchase's lines, as they were ordered."""
    return session.scalars(select(PurchaseItem).where(PurchaseItem.purchase_id == purchase_id).order_by(PurchaseItem.position)).all()


def undelivered_items(session: Session, purchase_id: UUID) -> Sequence[PurchaseItem]:
    """The purchase's lines whose lead does not belong to it."""
    own_lead = exists().where(Lead.id == PurchaseItem.lead_id, Lead.sold_to_purchase_id == purchase_id)
    condition = (PurchaseItem.purchase_id == purchase_id, PurchaseItem.lead_id.is_not(None), ~own_lead)
    return session.scalars(select(PurchaseItem).where(*condition).order_by(PurchaseItem.position)).all()


def lock_purchase(
    session: Session,
    *,
    purchase_ids: Sequence[UUID] = (),
    checkout_session_id: str | None = None,
    payment_intent_id: str | None = None,
) -> Purchase | None:
    """The purchase as it is now, locked until the transaction ends; the surest name that finds one wins."""
    conditions: list[ColumnElement[bool]] = [Purchase.id == purchase_id for purchase_id in purchase_ids]
    if checkout_session_id is not None:
        conditions.append(Purchase.stripe_checkout_session_id == checkout_session_id)
    if payment_intent_id is not None:
        conditions.append(Purchase.stripe_payment_intent_id == payment_intent_id)
    for condition in conditions:
        statement = select(Purchase).where(condition).with_for_update().execution_options(populate_existing=True)
        found = session.scalars(statement).one_or_none()
        if found is not None:
            return found
    return None


def mark_awaiting_payment(session: Session, purchase_id: UUID) -> Purchase | None:
    """The buyer is done, the money is under way; only a pending purchase can wait for it."""
    return _change(session, purchase_id, Purchase.status == "pending", status="awaiting_payment")


def mark_cancelled(session: Session, purchase_id: UUID) -> Purchase | None:
    """No money will come; a completed purchase stays completed."""
    return _change(session, purchase_id, Purchase.status.in_(("pending", "awaiting_payment")), status="cancelled", cancelled_at=NOW)


def mark_completed(
    session: Session,
    purchase_id: UUID,
    *,
    user_id: UUID,
    buyer_name: str | None,
    fulfilled: bool,
    checkout_session_id: str | None,
    payment_intent_id: str | None,
) -> Purchase | None:
    """The money is here, whatever was said before; ``fulfilled`` if everything was handed out with it."""
    return _change(
        session,
        purchase_id,
        Purchase.status != "completed",
        status="completed",
        completed_at=NOW,
        fulfilled_at=NOW if fulfilled else None,
        cancelled_at=None,
        user_id=user_id,
        buyer_name=func.coalesce(Purchase.buyer_name, buyer_name),
        **_paid_by(checkout_session_id, payment_intent_id),
    )


def mark_paid_by(session: Session, purchase_id: UUID, *, checkout_session_id: str | None, payment_intent_id: str | None) -> Purchase | None:
    """Remember which checkout and which payment brought the money; what is not known stays as it is."""
    return _change(session, purchase_id, **_paid_by(checkout_session_id, payment_intent_id))


def _paid_by(checkout_session_id: str | None, payment_intent_id: str | None) -> dict[str, Any]:
    return {
        "stripe_checkout_session_id": func.coalesce(checkout_session_id, Purchase.stripe_checkout_session_id),
        "stripe_payment_intent_id": func.coalesce(payment_intent_id, Purchase.stripe_payment_intent_id),
    }


def mark_fulfilled(session: Session, purchase_id: UUID) -> Purchase | None:
    """Everything that was bought was handed out; None if that was known, or if the purchase is not completed."""
    return _change(session, purchase_id, Purchase.status == "completed", Purchase.fulfilled_at.is_(None), fulfilled_at=NOW)


def mark_refunded(session: Session, purchase: Purchase, *, refunded_cents: int) -> Purchase | None:
    """What went back in all; ``refunded_at`` is the moment of the last increase. None if nothing changed."""
    increase = max(refunded_cents - purchase.refunded_cents, 0)
    at = NOW if increase else (Purchase.refunded_at if refunded_cents else None)
    return _change(
        session,
        purchase.id,
        Purchase.refunded_cents != refunded_cents,
        refunded_cents=refunded_cents,
        refunds_announced_cents=Purchase.refunds_announced_cents + increase,
        refunded_at=at,
    )


def mark_disputed(session: Session, purchase_id: UUID, *, status: str, disputed_at: datetime) -> Purchase | None:
    """The bank asks for the money, or has decided; ``status`` is Stripe's word."""
    return _change(session, purchase_id, dispute_status=status, disputed_at=disputed_at)


def _change(session: Session, purchase_id: UUID, *conditions: ColumnElement[bool], **values: Any) -> Purchase | None:
    """One UPDATE whose WHERE decides; the changed purchase, or None if the conditions did not hold."""
    statement = update(Purchase).where(Purchase.id == purchase_id, *conditions).values(**values).returning(Purchase)
    options = {"synchronize_session": False, "populate_existing": True}
    return session.scalars(statement, execution_options=options).one_or_none()
