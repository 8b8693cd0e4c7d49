"""Claiming what is due, in chunks of one statement: the claims, their notifications and the log stand or fall together."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    CTE,
    BindParameter,
    ColumnElement,
    DateTime,
    Select,
    Subquery,
    Text,
    Uuid,
    bindparam,
    case,
    cast,
    extract,
    func,
    insert,
    null,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeEngine

from models.notification_event_logs import NotificationEventLog
from models.notifications import Notification
from models.reminders_sent import ReminderSent

LOCK_CLASS = 0x7265_6D69  # this and the source's number name the advisory lock of one source
KEY_TYPES: dict[type, TypeEngine[Any]] = {datetime: DateTime(timezone=True), UUID: Uuid()}


@dataclass(frozen=True)
class DueReminders:
    """One kind of reminder: of what, how long before, with which email, and whom.

    ``due`` selects ``entity_id``, ``user_id``, ``recipient_email``, ``scheduled_at`` and ``payload`` (``jsonb``) of whatever may be
    reminded of at any time; the sweep adds the window, and to each payload ``lead_time``: how long it is until then, in words.
    """

    entity_type: str
    reminder_type: str
    lead: timedelta
    email: str
    due: Select[Any]

    @property
    def name(self) -> str:
        return f"{self.entity_type} {self.reminder_type}"

    @property
    def lock_key(self) -> int:
        """The same number in every process; two sources that share one would only take turns."""
        return zlib.crc32(self.name.encode()) - 2**31


class Place(NamedTuple):
    """Where a walk through the due rows stands: the key of the last one."""

    scheduled_at: datetime
    entity_id: UUID
    user_id: UUID


class Window(NamedTuple):
    """The events to be reminded of: after ``after`` and not after ``until``, as of ``now``."""

    now: datetime
    after: datetime
    until: datetime


class Chunk(NamedTuple):
    """What one statement did: how many rows it looked at and claimed, how many mails may leave at once, and where it ended."""

    due: int
    claimed: int
    leaving: int
    last: Place


def try_lock(session: Session, reminders: DueReminders) -> bool:
    """Take this source's lock for the rest of the transaction, unless another sweep has it; nobody ever waits for it."""
    no_compiling = func.set_config("jit", "off", True)  # noqa: FBT003 - it would take longer than the chunk
    return bool(session.execute(select(func.pg_try_advisory_xact_lock(LOCK_CLASS, reminders.lock_key), no_compiling)).one()[0])


def claim_chunk(session: Session, reminders: DueReminders, window: Window, *, start: Place | None, limit: int) -> Chunk | None:
    """Claim and queue the next ``limit`` due rows behind ``start``; None if there is none left.

    Somebody who claims one of these rows by hand in the same instant makes it fail with ``IntegrityError``: nothing is done then, and
    the next try sees his claim.
    """
    due = chunk_query(reminders, window, start, limit).cte("due")
    fresh = _unclaimed(reminders, window, due).cte("fresh")
    last = select(due.c.scheduled_at, due.c.entity_id, due.c.user_id).order_by(*(key.desc() for key in _keys(due))).limit(1).subquery()
    counted = select(
        select(func.count()).select_from(due).scalar_subquery(),
        select(func.count()).select_from(fresh).scalar_subquery(),
        select(func.count()).select_from(fresh).where(fresh.c.send_at.is_(None)).scalar_subquery(),
        *last.c,
    )
    row = session.execute(counted.add_cte(*_inserts(reminders, fresh))).one_or_none()
    if row is None:
        return None
    if row[2]:
        session.execute(select(func.pg_notify("redrive_notifications", "")))
    return Chunk(row[0], row[1], row[2], Place(*row[3:]))


def chunk_query(reminders: DueReminders, window: Window, start: Place | None, limit: int) -> Select[Any]:
    """The next ``limit`` due rows behind ``start``, claimed or not; a range scan along the source's index."""
    rows = reminders.due.subquery("source")
    return _ahead(rows, [*_keys(rows), rows.c.recipient_email, rows.c.payload], window, start, limit)


def next_place(session: Session, reminders: DueReminders, window: Window, start: Place | None) -> Place | None:
    """The key of the next due row, found without computing anything else of it."""
    rows = reminders.due.subquery("source")
    row = session.execute(_ahead(rows, _keys(rows), window, start, 1)).one_or_none()
    return Place(*row) if row else None


def count_due(session: Session, reminders: DueReminders, window: Window) -> int:
    """How many rows lie in the window, claimed or not."""
    rows = reminders.due.subquery("source")
    return session.execute(select(func.count()).select_from(rows).where(*_inside(rows, window))).scalar_one()


def _ahead(rows: Subquery, columns: list[ColumnElement[Any]], window: Window, start: Place | None, limit: int) -> Select[Any]:
    """The next rows in the order of their keys.

    The rest of the instant where the walk stands comes first, by a range of its own: thousands may share one, and a range of times
    alone would be read from that instant's first row in every chunk.
    """
    order = _keys(rows)

    def part(*conditions: ColumnElement[bool]) -> Select[Any]:
        return select(*columns).ext(distinct_on(*order)).where(*_inside(rows, window), *conditions).order_by(*order).limit(limit)

    if start is None:
        return part()
    rest = part(
        rows.c.scheduled_at == _inline(start.scheduled_at),
        tuple_(rows.c.entity_id, rows.c.user_id) > tuple_(_inline(start.entity_id), _inline(start.user_id)),
    )
    both = union_all(rest, part(rows.c.scheduled_at > _inline(start.scheduled_at))).subquery("ahead")
    return select(both).order_by(*_keys(both)).limit(limit)


def _unclaimed(reminders: DueReminders, window: Window, due: CTE) -> Select[Any]:
    """The due rows without a claim, each with a new id, the moment when its mail may leave, and the mail's payload."""
    now = bindparam("now", window.now, type_=DateTime(timezone=True))
    leaves_at = func.greatest(due.c.scheduled_at - reminders.lead, now)
    lead_time = func.jsonb_build_object("lead_time", func.time_left_in_words(due.c.scheduled_at - leaves_at))
    # LIMIT keeps this from becoming a join, for which PostgreSQL picks a quadratic plan as long as it has no statistics.
    claim = (
        select(ReminderSent.id)
        .where(
            ReminderSent.entity_type == reminders.entity_type,
            ReminderSent.entity_id == due.c.entity_id,
            ReminderSent.reminder_type == reminders.reminder_type,
            ReminderSent.user_id == due.c.user_id,
            ReminderSent.occurrence == due.c.scheduled_at,
        )
        .limit(1)
        .correlate(due)
        .scalar_subquery()
    )
    return select(
        func.gen_random_uuid().label("id"),
        *(due.c.entity_id, due.c.user_id, due.c.scheduled_at),
        func.btrim(due.c.recipient_email).label("recipient_email"),
        due.c.payload.op("||")(lead_time).label("payload"),
        leaves_at.label("leaves_at"),
        case((leaves_at > now, leaves_at), else_=null()).label("send_at"),
    ).where(claim.is_(None))


def _inserts(reminders: DueReminders, fresh: CTE) -> tuple[CTE, ...]:
    """The three tables, each filled from the same fresh rows; a notification looks as ``queue_notification`` would make it."""
    kind, row = cast(reminders.email, Text), fresh.c
    parts = (kind, row.recipient_email, row.payload, row.user_id, extract("epoch", row.send_at))
    claims = {
        "id": row.id,
        "entity_type": cast(reminders.entity_type, Text),
        "entity_id": row.entity_id,
        "reminder_type": cast(reminders.reminder_type, Text),
        "user_id": row.user_id,
        "occurrence": row.scheduled_at,
    }
    notifications = {
        "id": row.id,
        "notification_type": kind,
        "recipient_email": row.recipient_email,
        "user_id": row.user_id,
        "payload": row.payload,
        "dedupe_key": func.concat("reminder/", row.id),
        "fingerprint": func.md5(cast(func.jsonb_build_array(*parts), Text)),
        "send_at": row.send_at,
        "next_attempt_at": row.leaves_at,
        "sweep_at": row.leaves_at,
    }
    detail = func.jsonb_strip_nulls(func.jsonb_build_object("send_at", row.send_at, "reminder", cast(reminders.name, Text)))
    logs = {"notification_id": row.id, "event": cast("queued", Text), "detail": detail}
    tables = ((ReminderSent, claims), (Notification, notifications), (NotificationEventLog, logs))
    return tuple(
        insert(table.__table__).from_select(list(values), select(*values.values())).cte(f"into_{table.__tablename__}")  # type: ignore[arg-type]
        for table, values in tables
    )


def _keys(rows: Subquery | CTE) -> list[ColumnElement[Any]]:
    return [rows.c.scheduled_at, rows.c.entity_id, rows.c.user_id]


def _inside(rows: Subquery, window: Window) -> tuple[ColumnElement[bool], ...]:
    return rows.c.scheduled_at > _inline(window.after), rows.c.scheduled_at <= _inline(window.until)


def _inline(value: datetime | UUID) -> BindParameter[Any]:
    """The value as part of the statement's text, so that each chunk is planned for its own place.

    A plan for any values does not walk along the index; ``plan_cache_mode`` would also plan every check of a foreign key anew.
    """
    return bindparam(None, value, type_=KEY_TYPES[type(value)], literal_execute=True)
