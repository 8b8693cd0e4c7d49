"""Lists of notifications, and the timeline of one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, text, tuple_
from sqlalchemy.orm import Session, defer

from models.failed_operation_lists import Cursor
from models.notification_event_logs import NotificationEventLog
from models.notifications import Notification

Row = Notification
STATUSES = ("pending", "running", "sent", "suppressed", "cancelled", "dropped", "failed")
HEAVY = (Row.payload, Row.html_body, Row.text_body)


@dataclass(frozen=True)
class Filters:
    """Which notifications; None means any."""

    status: str | None = None
    notification_type: str | None = None
    recipient_email: str | None = None
    delivery_status: str | None = None
    since: datetime | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """As conditions of a query; ``since`` is about when it was queued."""
        wanted: list[ColumnElement[bool]] = []
        if self.status is not None:
            wanted.append(Row.status == text(f"'{STATUSES[STATUSES.index(self.status)]}'"))  # a literal, for the partial indexes
        if self.notification_type is not None:
            wanted.append(Row.notification_type == self.notification_type)
        if self.recipient_email is not None:
            wanted.append(func.lower(Row.recipient_email) == func.lower(self.recipient_email.strip()))
        if self.delivery_status is not None:
            wanted.append(Row.delivery_status == self.delivery_status)
        if self.since is not None:
            wanted.append(Row.created_at >= self.since)
        return wanted


class Page(NamedTuple):
    """Some notifications, the newest first, without their bodies; ``next`` is where the page after them begins, if there is one."""

    rows: Sequence[Notification]
    next: Cursor | None


def list_notifications(session: Session, filters: Filters, *, limit: int = 50, after: Cursor | None = None) -> Page:
    """One page of the matching notifications."""
    query = select(Row).where(*filters.conditions()).order_by(Row.created_at.desc(), Row.id.desc()).limit(limit + 1)
    query = query.options(*(defer(column, raiseload=True) for column in HEAVY))
    if after is not None:
        query = query.where(tuple_(Row.created_at, Row.id) < tuple_(after.created_at, after.id))
    found = session.scalars(query).all()
    rows = found[:limit]
    return Page(rows, Cursor(rows[-1].created_at, rows[-1].id) if len(found) > limit else None)


def get_notification(session: Session, notification_id: UUID) -> Notification | None:
    """The notification with this id, if there is one."""
    return session.get(Row, notification_id)


def notifications_beginning_with(session: Session, beginning: str) -> list[UUID]:
    """At most two ids that begin so: enough to know whether the beginning names one notification."""
    digits = beginning.replace("-", "").lower()
    if not re.fullmatch("[0-9a-f]{1,32}", digits):
        return []
    first, last = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    return list(session.scalars(select(Row.id).where(Row.id.between(first, last)).limit(2)))


def timeline(session: Session, notification_id: UUID) -> Sequence[NotificationEventLog]:
    """Everything that happened to it, the oldest first."""
    line = NotificationEventLog
    return session.scalars(select(line).where(line.notification_id == notification_id).order_by(line.occurred_at, line.id)).all()


def cancel(session: Session, notification_id: UUID, *, actor: str) -> bool | None:
    """Cancel it unless it has left or may have left (False); None if there is no such notification."""
    cancelled: bool | None = session.execute(select(func.cancel_notification(notification_id, actor))).scalar_one()
    return cancelled


def read_promise(session: Session, notification_id: UUID) -> tuple[Notification, bool]:
    """The notification that was just promised, and whether this very transaction made it."""
    mine = text("notifications.xmin::text = (pg_current_xact_id()::xid)::text")
    row, fresh = session.execute(select(Row, mine).where(Row.id == notification_id)).one()
    return row, bool(fresh)
