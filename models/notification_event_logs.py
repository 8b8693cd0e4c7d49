"""``notification_event_logs``: one row for each thing that happened to a notification, told as a timeline."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, text
from sqlalchemy.orm import Mapped, mapped_column

from models.schema import Json, PrimaryKey, Table


class NotificationEventLog(Table):
    """``event`` is one of queued, attempted, deferred, sent, delivered, bounced, complained, opened, dead, redriven, ..."""

    __tablename__ = "notification_event_logs"

    id: Mapped[PrimaryKey]
    notification_id: Mapped[UUID] = mapped_column(ForeignKey("notifications.id", ondelete="CASCADE"))
    event: Mapped[str]
    occurred_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
    attempt: Mapped[int | None]
    duration_ms: Mapped[int | None]
    actor: Mapped[str | None]
    detail: Mapped[Json] = mapped_column(server_default=text("'{}'"))
