"""``leads``: what the shop sells once each; a lead belongs to the first purchase that was paid."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.schema import CreatedAt, Json, PrimaryKey, Table


class Lead(Table):
    """One lead; ``sold_at`` and ``sold_to_purchase_id`` are set together, once, and never changed by an event."""

    __tablename__ = "leads"

    id: Mapped[PrimaryKey]
    title: Mapped[str]
    summary: Mapped[str | None]
    price_cents: Mapped[int]
    currency: Mapped[str]
    details: Mapped[Json] = mapped_column(server_default=text("'{}'"))
    sold_at: Mapped[datetime | None]
    sold_to_purchase_id: Mapped[UUID | None] = mapped_column(ForeignKey("purchases.id"))
    created_at: Mapped[CreatedAt]


def leads_by_id(session: Session, lead_ids: Collection[UUID]) -> dict[UUID, Lead]:
    """Those of the leads that exist."""
    found = session.scalars(select(Lead).where(Lead.id.in_(lead_ids)))
    return {lead.id: lead for lead in found}


def mark_sold(session: Session, lead_ids: Collection[UUID], *, purchase_id: UUID) -> list[UUID]:
    """Give those of the leads to the purchase that nobody has yet; returns them in order of their ids.

    The rows are locked in that order, so that two purchases of the same leads wait for each other instead of deadlocking, and
    the second one sees what the first one took.
    """
    free = select(Lead.id).where(Lead.id.in_(lead_ids), Lead.sold_to_purchase_id.is_(None)).order_by(Lead.id).with_for_update()
    marked = session.scalars(
        update(Lead)
        .where(Lead.id.in_(free.scalar_subquery()), Lead.sold_to_purchase_id.is_(None))
        .values(sold_at=text("now()"), sold_to_purchase_id=purchase_id)
        .returning(Lead.id),
        execution_options={"synchronize_session": False},
    )
    return sorted(marked)
