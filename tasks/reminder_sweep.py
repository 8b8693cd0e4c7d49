"""``sweep_reminders``: claims what every source has due and queues its mails; one source's trouble is not another's."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypedDict

import requests
import structlog
from billiard.exceptions import SoftTimeLimitExceeded
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

import tasks.reminder_shelf  # noqa: F401 - a sweep needs every source
from models.connection import transaction
from settings import get_settings
from tasks.celery_app import app
from tasks.dead_letters import bury_job
from tasks.errors import PermanentFailure
from tasks.reminder_walk import CHUNK, Progress, SourceBusy, SourceSweep
from tasks.reminders import ReminderSource, find_source, sources
from tasks.sweep import Sweep

log = structlog.get_logger()

NAME = "tasks.sweep_reminders"
OUTAGE_STATES = ("08", "53", "57P", "58")  # PostgreSQL's classes of errors that are not about the statement


class NoSuchSource(PermanentFailure):
    """No file on the shelf registers this source."""

    reason = "unknown_reminder_source"


class SweepReport(TypedDict):
    """Reminders claimed by source, the sources that another sweep had in hand, and those that raised (with the kind of error)."""

    claimed: dict[str, int]
    busy: list[str]
    failed: dict[str, str]


@app.task(name=NAME, base=Sweep, soft_time_limit=1500, time_limit=1560)
def sweep_reminders(source: str | None = None) -> SweepReport:
    """Sweep every source, or only the one of that name."""
    report = sweep(_chosen(source))
    ping_heartbeat_url()
    return report


def sweep(
    chosen: Iterable[ReminderSource],
    *,
    now: datetime | None = None,
    on_progress: Callable[[Progress], object] | None = None,
    chunk: int = CHUNK,
) -> SweepReport:
    """Sweep these sources as of ``now`` (PostgreSQL's clock by default); raises only if the database is away."""
    report = SweepReport(claimed={}, busy=[], failed={})
    now = now or _database_time()
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


def _chosen(name: str | None) -> list[ReminderSource]:
    if name is None:
        return sources()
    found = find_source(name)
    if found is None:
        raise NoSuchSource(f"there is no reminder source called {name[:80]!r}; there are {', '.join(each.name for each in sources())}")
    return [found]


def _database_time() -> datetime:
    with transaction() as session:
        return session.execute(select(func.now())).scalar_one()


def _is_outage(error: Exception) -> bool:
    """Whether the database is away, rather than this source's query wrong or too slow."""
    if not isinstance(error, DBAPIError):
        return False
    state: Any = getattr(error.orig, "sqlstate", None)
    return error.connection_invalidated or (state is None and error.statement is None) or str(state or "").startswith(OUTAGE_STATES)


def _record(source: ReminderSource, error: Exception) -> None:
    log.error("reminders.source_failed", source=source.name, error=type(error).__name__)
    stack = "".join(traceback.format_exception(error))
    task_id = sweep_reminders.request.id  # None on the command line
    bury_job(NAME, [source.name], {}, error, task_id=task_id, stack=stack)
