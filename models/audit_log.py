"""``audit_log``: who did what by hand, and to which row."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import insert, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.schema import CreatedAt, Json, PrimaryKey, Table


class AuditEntry(Table):
    """One operator's action, for example ``failed_operation.redriven`` by ``cli:alice``."""

    __tablename__ = "audit_log"

    id: Mapped[PrimaryKey]
    actor: Mapped[str]
    action: Mapped[str]
    subject_type: Mapped[str]
    subject_id: Mapped[UUID | None]
    detail: Mapped[Json] = mapped_column(server_default=text("'{}'"))
    created_at: Mapped[CreatedAt]


def record_action(session: Session, *, actor: str, action: str, subject_type: str, subject_id: UUID | None, **detail: object) -> None:
    """Write one line of the audit log in the caller's transaction; ``detail`` must be plain JSON without personal data."""
    session.execute(insert(AuditEntry).values(actor=actor, action=action, subject_type=subject_type, subject_id=subject_id, detail=detail))


def actions_on(session: Session, subject_id: UUID) -> Sequence[AuditEntry]:
    """What was done to this row, the oldest first."""
    return session.scalars(select(AuditEntry).where(AuditEntry.subject_id == subject_id).order_by(AuditEntry.created_at)).all()
