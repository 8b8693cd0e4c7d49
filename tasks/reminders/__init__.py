"""Who is due a nudge: the registry of the reminder sources; each file on this shelf holds one entity type's."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.orm import Session

import tasks.emails.shelf  # noqa: F401 - a source names the kind of email that it sends
from models.due_reminders import DueReminders
from tasks.emails import kind_of

COLUMNS = {"entity_id", "user_id", "recipient_email", "scheduled_at", "payload"}
ENTITY_TYPE = re.compile(r"[A-Z][A-Z0-9_]{0,59}")
REMINDER_TYPE = re.compile(r"\w{1,60}")


@dataclass(frozen=True, kw_only=True)
class ReminderSource(DueReminders):
    """What is due a reminder, and until how late it still makes sense: ``late_limit`` after its due time, and never after the event.

    ``prepare`` runs once before each sweep of the source, in a transaction of its own.
    """

    late_limit: timedelta
    prepare: Callable[[Session], object] | None = None


_sources: dict[str, ReminderSource] = {}


def register(source: ReminderSource) -> ReminderSource:
    """Put the source on the shelf; raises ``ValueError`` or ``UnknownKind`` if it cannot work."""
    if not ENTITY_TYPE.fullmatch(source.entity_type):
        raise ValueError(f"{source.entity_type!r} is no name for an entity type: use upper case, digits and underscores")
    if not REMINDER_TYPE.fullmatch(source.reminder_type):
        raise ValueError(f"{source.reminder_type!r} is no name for a reminder type: use letters and digits, such as 24h")
    if source.name in _sources:
        raise ValueError(f"the source {source.name} is registered twice")
    missing = COLUMNS - set(source.due.selected_columns.keys())
    if missing:
        raise ValueError(f"the query of {source.name} does not select {', '.join(sorted(missing))}")
    if min(source.late_limit, source.lead) <= timedelta(0):
        raise ValueError(f"the source {source.name} needs a lead and a late limit above zero: nobody is reminded of what has begun")
    kind_of(source.email)
    _sources[source.name] = source
    return source


def forget(name: str) -> None:
    """Take a source off the shelf."""
    del _sources[name]


def sources() -> list[ReminderSource]:
    """Every source, in order of the alphabet."""
    return [_sources[name] for name in sorted(_sources)]


def find_source(name: str) -> ReminderSource | None:
    """The source of that name, such as ``MEETING 24h``; None if no file registers it (any more)."""
    return _sources.get(name)
