"""``notifications``: one email to one person, from the promise made in a business transaction to its end."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Computed, ForeignKey, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.schema import CreatedAt, Json, PrimaryKey, Table
from models.work import WorkRow, WorkTable

NOTIFICATIONS = WorkTable("notifications")


class Notification(WorkRow, Table):
    """One promised email, unique by ``dedupe_key``; ``sent``, ``suppressed``, ``cancelled``, ``dropped`` or ``failed`` in the end.

    ``subject``, the two bodies, ``sender`` and ``reply_to`` are frozen at the first attempt, so that every attempt sends the same
    bytes under the same Resend idempotency key; a mail that left in a batch has them there. ``delivery_status`` is what the
    provider reports afterwards.
    """

    __tablename__ = "notifications"

    id: Mapped[PrimaryKey]
    notification_type: Mapped[str]
    recipient_email: Mapped[str]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    payload: Mapped[Json] = mapped_column(server_default=text("'{}'"))
    dedupe_key: Mapped[str] = mapped_column(unique=True)
    fingerprint: Mapped[str]
    send_at: Mapped[datetime | None]
    next_retry_at: Mapped[datetime | None] = mapped_column(Computed("next_attempt_at", persisted=True))

    subject: Mapped[str | None]
    html_body: Mapped[str | None]
    text_body: Mapped[str | None]
    sender: Mapped[str | None]
    reply_to: Mapped[str | None]
    batch_id: Mapped[UUID | None]
    send_generation: Mapped[int] = mapped_column(server_default=text("1"))
    first_attempt_at: Mapped[datetime | None]
    outcome_unknown_at: Mapped[datetime | None]

    provider_message_id: Mapped[str | None]
    sent_at: Mapped[datetime | None]
    delivery_status: Mapped[str | None]
    delivery_status_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    erased_at: Mapped[datetime | None]

    @property
    def idempotency_key(self) -> str:
        return idempotency_key(self.id, self.send_generation)


def idempotency_key(notification_id: UUID, generation: int) -> str:
    """Resend's ``Idempotency-Key`` (1 to 256 characters, remembered for 24 hours); a confirmed resend gets a new one."""
    return f"redrive/{notification_id}/{generation}"


def load_notification(session: Session, notification_id: UUID) -> Notification:
    """The stored notification; raises ``NoResultFound`` if there is none with that id."""
    return session.execute(select(Notification).where(Notification.id == notification_id)).scalar_one()


def find_notification(session: Session, dedupe_key: str) -> UUID | None:
    """The id of the email that was promised under this key."""
    return session.execute(select(Notification.id).where(Notification.dedupe_key == dedupe_key)).scalar_one_or_none()
