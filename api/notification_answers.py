"""How the API shows a notification and its timeline."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from models.notification_lists import timeline
from models.notifications import Notification


class TimelineEntry(BaseModel):
    """One thing that happened: queued, attempted, deferred, sent, delivered, bounced, complained, opened, dead, redriven and so on."""

    model_config = ConfigDict(from_attributes=True)

    event: str
    occurred_at: datetime
    attempt: int | None
    duration_ms: int | None
    actor: str | None
    detail: dict[str, Any]


class NotificationAnswer(BaseModel):
    """One email; ``status`` is how far it got here, ``delivery_status`` what the provider reported since."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    status: str = Field(description="pending, running, sent, suppressed, cancelled, dropped or failed")
    type: str = Field(validation_alias="notification_type")
    to: str = Field(validation_alias="recipient_email")
    dedupe_key: str
    user_id: UUID | None
    attempts: int
    send_at: datetime | None
    next_attempt_at: datetime | None = Field(description="null once it has ended")
    created_at: datetime
    sent_at: datetime | None
    finished_at: datetime | None
    provider_message_id: str | None
    delivery_status: str | None
    delivery_status_at: datetime | None
    last_error: str | None
    timeline: list[TimelineEntry]


def show(session: Session, row: Notification) -> NotificationAnswer:
    """The notification as it is now."""
    values = {column.key: getattr(row, column.key) for column in Notification.__mapper__.column_attrs}
    if row.finished_at is not None:
        values["next_attempt_at"] = None
    entries = [TimelineEntry.model_validate(line) for line in timeline(session, row.id)]
    return NotificationAnswer.model_validate({**values, "timeline": entries})
