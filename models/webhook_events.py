"""``webhook_events``: what a provider told us, kept as the raw bytes that its signature covers."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import LargeBinary, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.schema import Json, PrimaryKey, Table
from models.work import WorkRow, WorkTable

WEBHOOK_EVENTS = WorkTable("webhook_events")


class WebhookEvent(WorkRow, Table):
    """One event, unique by ``(provider, provider_event_id)``; ``processed``, ``ignored`` or ``failed`` in the end."""

    __tablename__ = "webhook_events"

    id: Mapped[PrimaryKey]
    provider: Mapped[str]
    provider_event_id: Mapped[str]
    event_type: Mapped[str]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    headers: Mapped[Json] = mapped_column(server_default=text("'{}'"))
    livemode: Mapped[bool | None]
    account: Mapped[str | None]
    api_version: Mapped[str | None]
    verified_by: Mapped[str | None]
    duplicates: Mapped[int] = mapped_column(server_default=text("0"))
    received_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    erased_at: Mapped[datetime | None]


def load_event(session: Session, event_id: UUID) -> WebhookEvent:
    """The stored event; raises ``NoResultFound`` if there is none with that id."""
    return session.execute(select(WebhookEvent).where(WebhookEvent.id == event_id)).scalar_one()


def providers_of(session: Session, event_ids: list[UUID]) -> dict[UUID, str]:
    """Who sent each of these events."""
    rows = session.execute(select(WebhookEvent.id, WebhookEvent.provider).where(WebhookEvent.id.in_(event_ids)))
    return {row.id: row.provider for row in rows}
