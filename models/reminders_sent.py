"""``reminders_sent``: one row for each reminder that somebody has claimed, so that no other can claim it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import UniqueConstraint, delete, exists, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.schema import PrimaryKey, Table

ONCE = datetime(1970, 1, 1, tzinfo=UTC)  # the occurrence of a reminder that is due once and never again
CLEANUP_BATCH = 5_000


class ReminderSent(Table):
    """A claim; ``id`` is also the id of the notification queued with it, ``occurrence`` the instant of the event.

    ``(entity_type, entity_id, reminder_type, user_id)`` alone would let nobody be reminded of a meeting that was moved.
    """

    __tablename__ = "reminders_sent"
    __table_args__ = (UniqueConstraint("entity_type", "entity_id", "reminder_type", "user_id", "occurrence"),)

    id: Mapped[PrimaryKey]
    entity_type: Mapped[str]
    entity_id: Mapped[UUID]
    reminder_type: Mapped[str]
    user_id: Mapped[UUID]
    occurrence: Mapped[datetime]
    claimed_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


def mark_reminder_as_sent(
    session: Session, entity_type: str, entity_id: UUID, reminder_type: str, user_id: UUID, *, occurrence: datetime = ONCE
) -> bool:
    """Claim the reminder in the caller's transaction: True for the one who may send it, False for everybody after.

    The sweep's occurrence is the ``scheduled_at`` of what it reminds of; without one the reminder can be claimed once for ever.
    """
    claim = insert(ReminderSent).values(
        entity_type=entity_type, entity_id=entity_id, reminder_type=reminder_type, user_id=user_id, occurrence=occurrence
    )
    return session.execute(claim.on_conflict_do_nothing().returning(ReminderSent.id)).one_or_none() is not None


def was_reminder_sent(
    session: Session, entity_type: str, entity_id: UUID, reminder_type: str, user_id: UUID, *, occurrence: datetime | None = None
) -> bool:
    """Whether the reminder was claimed, for this occurrence or (None) for any."""
    found = exists().where(
        ReminderSent.entity_type == entity_type,
        ReminderSent.entity_id == entity_id,
        ReminderSent.reminder_type == reminder_type,
        ReminderSent.user_id == user_id,
    )
    if occurrence is not None:
        found = found.where(ReminderSent.occurrence == occurrence)
    return bool(session.execute(select(found)).scalar_one())


def get_reminders_sent_for_entity(session: Session, entity_type: str, entity_id: UUID) -> list[ReminderSent]:
    """Every claim on this entity's reminders, the newest first."""
    mine = select(ReminderSent).where(ReminderSent.entity_type == entity_type, ReminderSent.entity_id == entity_id)
    return list(session.execute(mine.order_by(ReminderSent.claimed_at.desc(), ReminderSent.id)).scalars())


def recent_reminders(session: Session, *, entity_type: str | None = None, limit: int = 50) -> list[ReminderSent]:
    """The newest claims, of one type or of all."""
    newest = select(ReminderSent).order_by(ReminderSent.claimed_at.desc(), ReminderSent.id).limit(limit)
    if entity_type is not None:
        newest = newest.where(ReminderSent.entity_type == entity_type)
    return list(session.execute(newest).scalars())


def cleanup_old_reminders(session: Session, days: int = 90, *, batch: int = CLEANUP_BATCH) -> int:
    """Remove claims older than ``days`` whose event is over, and commit after each batch; returns how many were removed."""
    old = select(ReminderSent.id).where(ReminderSent.claimed_at < func.now() - timedelta(days=days), ReminderSent.occurrence < func.now())
    oldest = old.order_by(ReminderSent.claimed_at).limit(batch).with_for_update(skip_locked=True)
    removed = 0
    while True:
        found = session.execute(delete(ReminderSent).where(ReminderSent.id.in_(oldest)).returning(ReminderSent.id)).all()
        session.commit()
        removed += len(found)
        if len(found) < batch:
            return removed
