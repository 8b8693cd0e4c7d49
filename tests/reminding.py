"""Meetings and other things with a date for tests, and what became of their reminders."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from models.connection import transaction
from models.dated_entities import DatedEntity
from models.meetings import Meeting
from models.notifications import Notification
from models.reminders_sent import ReminderSent
from models.users import User
from tasks.reminder_sweep import SweepReport, sweep
from tasks.reminders import ReminderSource, sources

_people = count(1)


def database_time() -> datetime:
    with transaction() as session:
        return session.execute(select(func.now())).scalar_one()


def add_person(session: Session, *, time_zone: str = "Europe/Berlin", name: str | None = "Ada") -> UUID:
    person = User(email=f"person{next(_people)}@example.com", name=name, time_zone=time_zone)
    session.add(person)
    session.flush()
    return person.id


def add_meeting(at: datetime, **values: Any) -> UUID:
    """A meeting of somebody new."""
    with transaction() as session:
        user_id = values.pop("user_id", None) or add_person(session, time_zone=values.pop("time_zone", "Europe/Berlin"))
        meeting = Meeting(user_id=user_id, title="Quarterly review", scheduled_at=at, **values)
        session.add(meeting)
        session.flush()
        return meeting.id


def add_dated(entity_type: str, at: datetime, *, time_zone: str = "Europe/Berlin", **values: Any) -> UUID:
    """Something else with a date, for somebody new."""
    with transaction() as session:
        entity = DatedEntity(
            user_id=add_person(session, time_zone=time_zone), entity_type=entity_type, title="Some title", scheduled_at=at, **values
        )
        session.add(entity)
        session.flush()
        return entity.id


def change_meeting(meeting_id: UUID, **values: object) -> None:
    with transaction() as session:
        session.query(Meeting).filter_by(id=meeting_id).update(values)  # type: ignore[arg-type]


def swept(now: datetime | None = None, *, only: ReminderSource | None = None) -> SweepReport:
    """A sweep of the whole shelf, or of one source."""
    return sweep([only] if only else sources(), now=now)


def remember_sweep(source: ReminderSource, at: datetime) -> None:
    """As if the source's last complete sweep had been then."""
    with transaction() as session:
        session.execute(
            text(
                "INSERT INTO heartbeats (name, last_success_at) VALUES (:name, :at)"
                " ON CONFLICT (name) DO UPDATE SET last_success_at = excluded.last_success_at"
            ),
            {"name": f"reminders/{source.name}", "at": at},
        )


def claims() -> list[ReminderSent]:
    with transaction() as session:
        return list(session.execute(select(ReminderSent).order_by(ReminderSent.occurrence, ReminderSent.reminder_type)).scalars())


def reminders() -> list[Notification]:
    """The queued mails, those that leave first first."""
    with transaction() as session:
        return list(session.execute(select(Notification).order_by(Notification.next_attempt_at, Notification.id)).scalars())


def make_leave_now() -> None:
    """Let mails that wait for their moment leave at once."""
    with transaction() as session:
        session.query(Notification).filter_by(status="pending").update({"next_attempt_at": func.now(), "sweep_at": func.now()})


HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
