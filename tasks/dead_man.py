"""The dead-man's switch: what is late or fails for everybody, and the alerts that say so.

The web processes and the workers look, each on its own clock, so that it works when Beat is dead, and when either of them is.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

import tasks.reminder_shelf  # noqa: F401 - what fails is looked for in every source
from beat_schedule import scheduled
from models.alerts import close_alerts, open_alert
from models.connection import transaction
from models.heartbeats import expect, heartbeats
from models.overview import unresolved_because_of
from models.schema import Json
from settings import get_settings
from tasks.alerting import tell_everybody
from tasks.celery_app import app
from tasks.mail.resend_errors import NO_MAIL_LEAVES
from tasks.reminder_walk import heartbeat_name
from tasks.reminders import sources

NAME = "tasks.watch_schedule"
LATE, FAILING, REFUSED = "late-task/", "reminder-source/", "no-mail-leaves/"


class TaskHealth(NamedTuple):
    """One scheduled task: ``silent_for`` counts from its last success, or since it is expected if it never had one."""

    task: str
    last_success_at: datetime | None
    silent_for: timedelta
    late_after: timedelta
    detail: Json

    @property
    def late(self) -> bool:
        return self.silent_for > self.late_after


def schedule_health(session: Session) -> list[TaskHealth]:
    """Every task of ``beat_schedule.py``, in order of its name."""
    now = session.execute(select(func.now())).scalar_one()
    expected = {task.task: task for task in scheduled(sweep_every=timedelta(seconds=get_settings().sweep_seconds)).values()}
    expect(session, expected)
    found = heartbeats(session)
    return [
        TaskHealth(name, row.last_success_at, now - (row.last_success_at or row.expected_since), expected[name].late_after, row.detail)
        for name, row in found.items()
        if name in expected
    ]


def late_tasks(session: Session) -> list[TaskHealth]:
    """Those that should have succeeded since."""
    return [task for task in schedule_health(session) if task.late]


def failing_sources(session: Session) -> dict[str, str]:
    """The reminder sources that raised when they were last swept, with the kind of error."""
    found = heartbeats(session)
    rows = {source.name: found.get(heartbeat_name(source)) for source in sources()}
    return {name: row.detail["error"] for name, row in rows.items() if row and "error" in row.detail}


def refusals(session: Session) -> dict[str, str]:
    """Why the provider refuses all mails, in words by reason, as the failed operations tell that nobody has resolved yet."""
    found = unresolved_because_of(session, NO_MAIL_LEAVES)
    return {reason: _refused_words(reason, count) for reason, count in found.items()}


def look() -> None:
    """Open the alerts of what is late or fails, close those of what is well again, and tell people."""
    with transaction() as session:
        late = {task.task: _late_words(task) for task in late_tasks(session)}
        failing = {name: _failing_words(name, error) for name, error in failing_sources(session).items()}
        for prefix, level, troubles in (
            (LATE, "critical", late),
            (FAILING, "error", failing),
            (REFUSED, "critical", refusals(session)),
        ):
            for name, summary in troubles.items():
                open_alert(session, kind="system_health", key=f"{prefix}{name}", level=level, summary=summary)
            close_alerts(session, prefix, still={f"{prefix}{name}" for name in troubles})
    tell_everybody()


@app.task(name=NAME)
def watch_schedule() -> None:
    """``look``, in a worker; its consumer asks for it every minute."""
    look()


def _late_words(task: TaskHealth) -> str:
    since = "last succeeded" if task.last_success_at else "is expected since"
    return (
        f"{task.task} {since} {_minutes(task.silent_for)} ago and is late after {_minutes(task.late_after)}:"
        " look whether Beat runs and the workers are well."
    )


def _failing_words(name: str, error: str) -> str:
    return f"The reminder source {name} raised {error} in the last sweep: nobody is reminded of it until it is repaired."


def _refused_words(reason: str, count: int) -> str:
    return (
        f"The mail provider refuses every mail ({reason}, {count} so far): repair RESEND_API_KEY, EMAIL_FROM or RESEND_API_URL,"
        f" then run redrive failed retry --all-matching --reason {reason}."
    )


def _minutes(span: timedelta) -> str:
    return f"{span.total_seconds() / 60:.0f} minutes"
