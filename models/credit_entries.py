"""``credit_entries``: credits as a ledger; a balance is the sum of signed entries and never a counter."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from sqlalchemy import ColumnElement, ForeignKey, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.schema import CreatedAt, PrimaryKey, Table

Reason = Literal["purchase", "refund", "refund_failed", "adjustment"]

PRICE_CENTS = {"eur": 10, "gbp": 9, "usd": 10}
"""What one credit costs, by currency; purchases keep the price that they were made with."""


class CreditEntry(Table):
    """One movement of one user's credits; ``cause`` is unique, so that the same cause never counts twice."""

    __tablename__ = "credit_entries"

    id: Mapped[PrimaryKey]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    purchase_id: Mapped[UUID | None] = mapped_column(ForeignKey("purchases.id"))
    amount: Mapped[int]
    reason: Mapped[str]
    cause: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[CreatedAt]


def add_credits(session: Session, *, user_id: UUID, amount: int, reason: Reason, cause: str, purchase_id: UUID | None = None) -> bool:
    """Write the entry (``amount`` is negative when credits are taken); False if its cause was written before."""
    written = session.execute(
        insert(CreditEntry)
        .values(user_id=user_id, purchase_id=purchase_id, amount=amount, reason=reason, cause=cause)
        .on_conflict_do_nothing(index_elements=[CreditEntry.cause])
        .returning(CreditEntry.id)
    )
    return written.one_or_none() is not None


def credit_balance(session: Session, user_id: UUID) -> int:
    """What the user can spend; below zero when spent credits were refunded."""
    return _sum(session, CreditEntry.user_id == user_id)


def credits_of_purchase(session: Session, purchase_id: UUID) -> int:
    """What is left of a purchase's credits after its refunds, spent or not."""
    return _sum(session, CreditEntry.purchase_id == purchase_id)


def _sum(session: Session, condition: ColumnElement[bool]) -> int:
    return int(session.execute(select(func.coalesce(func.sum(CreditEntry.amount), 0)).where(condition)).scalar_one())
