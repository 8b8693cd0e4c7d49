"""``sweep_reminders``: claims what every source has due and queues its mails; one source's trouble is not another's."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypedDict

import requests
import structlog
from billiard.exceptions import SoftTimeLimitExceeded
from celery import current_task
from kombu.exceptions import OperationalError
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

import tasks.reminder_shelf  # noqa: F401 - a sweep needs every source
from models.connection import transaction
from models.heartbeats import last_success, note_trouble
from settings import get_settings
from tasks.celery_app import app
from tasks.dead_letters import bury_job
from tasks.errors import PermanentFailure
from tasks.reminder_walk import CHUNK, Progress, SourceBusy, SourceSweep, heartbeat_name
from tasks.reminders import ReminderSource, find_source, sources
from tasks.sweep import Sweep

log = structlog.get_logger()

NAME, ONE = "tasks.sweep_reminders", "tasks.sweep_reminder_source"
LOOK_AGAIN_SECONDS = 10
LIMITS = {"soft_time_limit": 1500, "time_limit": 1560}
OUTAGE_STATES = ("08", "53", "57P", "58")  # PostgreSQL's classes of errors that are not about the statement


class NoSuchSource(PermanentFailure):
    """No file on the shelf registers this source."""

    reason = "unknown_reminder_source"


class SweepReport(TypedDict):
    """Reminders claimed by source, the sources that another sweep had in hand, and those that raised (with the kind of error)."""

    claimed: dict[str, int]
    busy: list[str]
    failed: dict[str, str]


@app.task(name=NAME, base=Sweep, **LIMITS)
def sweep_reminders() -> SweepReport:
    """Sweep every source; what another sweep has in hand is looked at again, since that one may just have been killed."""
    now = database_time()
    report = sweep(sources(), now=now)
    for name in report["busy"]:
        _look_again(name, now)
    ping_heartbeat_url()
    return report


@app.task(name=ONE, base=Sweep, **LIMITS)
def sweep_reminder_source(source: str, unless_swept_since: str | None = None) -> SweepReport | None:
    """Sweep one source by its name, unless somebody has since then."""
    found = find_source(source)
    if found is None:
        raise NoSuchSource(f"there is no reminder source called {source[:80]!r}; there are {', '.join(each.name for each in sources())}")
    with transaction() as session:
        swept_at = last_success(session, heartbeat_name(found))
    if unless_swept_since and swept_at and swept_at >= datetime.fromisoformat(unless_swept_since):
        return None
    return sweep([found])


def sweep(
    chosen: Iterable[ReminderSource],
    *,
    now: datetime | None = None,
    on_progress: Callable[[Progress], object] | None = None,
    chunk: int = CHUNK,
) -> SweepReport:
    """Sweep these sources as of ``now`` (PostgreSQL's clock by default); raises only if the database is away."""
    report = SweepReport(claimed={}, busy=[], failed={})
    now = now or database_time()
    for source in chosen:
        report["claimed"][source.name] = 0
        try:
            for progress in SourceSweep(source, now, chunk=chunk):
                report["claimed"][source.name] = progress.claimed
                if on_progress:
                    on_progress(progress)
        except SourceBusy:
            report["busy"].append(source.name)
        except SoftTimeLimitExceeded:
            raise
        except Exception as error:
            if _is_outage(error):
                raise
            report["failed"][source.name] = type(error).__name__
            _record(source, error)
    log.info("reminders.swept", **report)
    return report


def ping_heartbeat_url() -> None:
    """Tell the outside watch, if there is one, that the sweep ran; it must never be the sweep that suffers."""
    url = get_settings().heartbeat_url
    if not url:
        return
    try:
        requests.get(url, timeout=(2, 3)).raise_for_status()
    except requests.RequestException as error:
        log.warning("heartbeat_url.silent", error=type(error).__name__)


def database_time() -> datetime:
    """PostgreSQL's clock, which is the only one here."""
    with transaction() as session:
        return session.execute(select(func.now())).scalar_one()


def _look_again(name: str, since: datetime) -> None:
    try:
        sweep_reminder_source.apply_async((name, since.isoformat()), countdown=LOOK_AGAIN_SECONDS)
    except OperationalError as away:
        log.warning("doorbell.silent", task=ONE, source=name, error=type(away).__name__)


def _is_outage(error: Exception) -> bool:
    """Whether the database is away, rather than this source's query wrong or too slow."""
    if not isinstance(error, DBAPIError):
        return False
    state: Any = getattr(error.orig, "sqlstate", None)
    return error.connection_invalidated or (state is None and error.statement is None) or str(state or "").startswith(OUTAGE_STATES)


def _record(source: ReminderSource, error: Exception) -> None:
    log.error("reminders.source_failed", source=source.name, error=type(error).__name__)
    stack = "".join(traceback.format_exception(error))
    task_id = current_task.request.id if current_task else None  # None on the command line
    bury_job(ONE, [source.name], {}, error, task_id=task_id, stack=stack)
    with transaction() as session:
        note_trouble(session, heartbeat_name(source), type(error).__name__)
