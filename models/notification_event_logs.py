"""``notification_event_logs``: one row for each thing that happened to a notification, told as a timeline."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ForeignKey, insert, text
from sqlalchemy.orm import Mapped, Session, mapped_column

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


class LogLine(NamedTuple):
    """One thing that happened to a notification; ``detail`` is plain JSON without addresses."""

    notification_id: UUID
    event: str
    attempt: int | None = None
    duration_ms: int | None = None
    actor: str | None = None
    detail: Mapping[str, object] = MappingProxyType({})


def write_log(session: Session, *lines: LogLine) -> None:
    """Add the lines in the caller's transaction, in one statement."""
    session.execute(insert(NotificationEventLog), [{**line._asdict(), "detail": dict(line.detail)} for line in lines])
