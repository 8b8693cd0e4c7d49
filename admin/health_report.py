"""What the operations health page says, read at one moment: the troubles first, then the figures they come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import redis
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

import tasks.reminder_shelf  # noqa: F401 - the page names every source
from models.alerts import Alert, open_alerts
from models.connection import transaction
from models.heartbeats import Heartbeat, heartbeats
from models.overview import Backlog, backlogs, unresolved_failures
from tasks.dead_man import TaskHealth, failing_sources, refusals, schedule_health
from tasks.mail.provider_status import provider_status
from tasks.publishing import queue_length
from tasks.reminder_walk import heartbeat_name
from tasks.reminders import sources

QUEUES = {"webhook_events": "webhooks", "notifications": "emails"}


class SourceHealth(NamedTuple):
    """One reminder source: when its last complete sweep was and what that claimed, or with what the last one failed."""

    name: str
    email: str
    swept_at: datetime | None
    claimed: int | None
    error: str | None


@dataclass
class HealthReport:
    """Everything on the page; what could not be read is left empty, and is a trouble itself."""

    now: datetime | None = None
    lanes: list[Backlog] = field(default_factory=list)
    queues: dict[str, int] = field(default_factory=dict)
    provider: dict[str, str] = field(default_factory=dict)
    schedule: list[TaskHealth] = field(default_factory=list)
    sources: list[SourceHealth] = field(default_factory=list)
    failures: dict[str, int] = field(default_factory=dict)
    alerts: list[Alert] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    @property
    def well(self) -> bool:
        return not self.troubles

    def as_json(self) -> dict[str, Any]:
        """For monitoring: the same judgement in a few fields."""
        return {
            "status": "well" if self.well else "unwell",
            "troubles": self.troubles,
            "lanes": {lane.lane: lane._asdict() for lane in self.lanes},
            "schedule": {
                task.task: {"late": task.late, "silent_seconds": round(task.silent_for.total_seconds())} for task in self.schedule
            },
            "reminder_sources": {source.name: source.error or "well" for source in self.sources},
            "unresolved_failures": self.failures,
        }


def read_health() -> HealthReport:
    """The report of this moment; never raises for a store that is away, since that is what the page is for."""
    report = HealthReport()
    try:
        with transaction(patience=timedelta(seconds=2)) as session:
            _read_ledger(session, report)
    except SQLAlchemyError as error:
        report.troubles.append(f"The database does not answer ({type(error).__name__}).")
    try:
        report.queues = {lane: queue_length(queue) for lane, queue in QUEUES.items()}
        report.provider = provider_status()
    except redis.RedisError as error:
        report.troubles.append(f"The broker does not answer ({type(error).__name__}); what is promised waits in the database.")
    return report


def _read_ledger(session: Session, report: HealthReport) -> None:
    report.now = session.execute(select(func.now())).scalar_one()
    report.lanes = backlogs(session)
    report.failures = unresolved_failures(session)
    report.schedule = schedule_health(session)
    failing = failing_sources(session)
    report.sources = _sources(heartbeats(session), failing)
    report.alerts = open_alerts(session)
    report.troubles += [f"{task.task} is late: look whether Beat runs and the workers are well." for task in report.schedule if task.late]
    report.troubles += [f"The reminder source {name} raised {error} in the last sweep." for name, error in failing.items()]
    report.troubles += refusals(session).values()


def _sources(beats: dict[str, Heartbeat], failing: dict[str, str]) -> list[SourceHealth]:
    found = []
    for source in sources():
        row, error = beats.get(heartbeat_name(source)), failing.get(source.name)
        swept_at, claimed = (row.last_success_at, row.detail.get("claimed")) if row else (None, None)
        found.append(SourceHealth(source.name, source.email, swept_at, claimed, error))
    return found
