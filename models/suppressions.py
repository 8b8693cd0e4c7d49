"""``suppressions``: addresses that must not be mailed, because they bounced for good or complained."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, select
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


def is_suppressed(session: Session, email: str) -> bool:
    """Whether mail to this address must not be sent (case does not matter)."""
    found = exists().where(Suppression.email == email.strip().lower(), Suppression.lifted_at.is_(None))
    return bool(session.execute(select(found)).scalar_one())
