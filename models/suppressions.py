"""``suppressions``: addresses that must not be mailed, because they bounced for good or complained."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, SQLColumnExpression, exists, func, literal, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.schema import CreatedAt, PrimaryKey, Table


class Suppression(Table):
    """One address (lower case) and why; ``lifted_at`` is an operator's override."""

    __tablename__ = "suppressions"

    id: Mapped[PrimaryKey]
    email: Mapped[str] = mapped_column(unique=True)
    reason: Mapped[str]
    webhook_event_id: Mapped[UUID | None]
    created_at: Mapped[CreatedAt]
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[str | None]


def suppressed(email: SQLColumnExpression[str]) -> ColumnElement[bool]:
    """The condition that mail to this address must not be sent (case does not matter), for use in a query."""
    return exists().where(Suppression.email == func.lower(func.btrim(email)), Suppression.lifted_at.is_(None))


def is_suppressed(session: Session, email: str) -> bool:
    """Whether mail to this address must not be sent."""
    return bool(session.execute(select(suppressed(literal(email)))).scalar_one())
