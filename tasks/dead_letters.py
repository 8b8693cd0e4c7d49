"""The way into the dead letters: ``task_failure`` and its siblings write ``failed_operations`` rows.

A work row is given up and its failed operation inserted in one transaction. If the database is away at that moment the row stays
``running``, its lease runs out, and the sweep brings it here again; a failure without a row of its own waits in a Redis list.
"""

from __future__ import annotations

import json
import traceback as tracebacks
from datetime import timedelta
from typing import Any, cast
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

import redis
import structlog
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery.signals import task_failure, task_revoked
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session

from models.connection import transaction
from models.failed_operations import record_failure
from models.schema import Json
from tasks.celery_app import app
from tasks.errors import PermanentFailure
from tasks.publishing import redis_client
from tasks.sweep import Sweep
from tasks.work_task import WorkTask, summary_of

log = structlog.get_logger()

WAITING_LIST = "redrive:dead-letters"  # failures that could not be written while the database was away
LONGEST_STACK = 20_000
PATIENCE = timedelta(seconds=2)  # for the lock of an attempt just killed; the worker's event loop stands still meanwhile


class Revoked(Exception):  # noqa: N818 - a reason, not an error of ours
    """An operator revoked the task before it was done."""


class Poisonous(Exception):  # noqa: N818
    """The row was claimed again and again, and every time its worker died before there was an outcome."""


@task_failure.connect(weak=False)
def on_task_failure(
    sender: Any, task_id: str, exception: BaseException, args: Any, kwargs: Any, einfo: Any = None, traceback: Any = None, **_: Any
) -> None:
    """Celery's signal for a task that ended in failure; fires in the parent for a time limit or a lost child, and then twice."""
    request = sender.request
    error = getattr(request, "error", None) or exception  # Celery's may be a copy of another class, where ours cannot be pickled
    stack = _stack_text(einfo, traceback, exception)
    row_id = row_of(sender, args)
    if row_id is None:
        bury_job(sender.name, args or [], kwargs or {}, error, task_id=task_id, stack=stack)
        return
    claim = getattr(request, "claim", None)
    parent_knows = isinstance(error, (TimeLimitExceeded, WorkerLostError))
    if parent_knows and sender.outlives_a_crash:
        return
    try:
        bury_work(
            sender,
            row_id,
            error,
            token=claim.token if claim else None,
            holder=task_id if parent_knows else None,
            task_id=task_id,
            stack=stack,
        )
    except SQLAlchemyError as away:
        log.warning("dead_letter.waits", task=sender.name, row_id=str(row_id), error=type(away).__name__)


@task_revoked.connect(weak=False)
def on_task_revoked(sender: Any, request: Any, *, terminated: bool = False, expired: bool = False, **_: Any) -> None:
    """A revoked work task is written down, so that the sweep does not do what an operator stopped; expired ones are not work."""
    row_id = row_of(sender, request.args)
    if row_id is None or expired:
        return
    try:
        bury_work(sender, row_id, Revoked("revoked by an operator"), holder=request.id if terminated else None, task_id=request.id)
    except SQLAlchemyError as away:
        log.warning("revoke.unwritten", task=sender.name, row_id=str(row_id), error=type(away).__name__)


def bury_work(
    task: WorkTask,
    row_id: UUID,
    error: BaseException,
    *,
    token: int | None = None,
    holder: str | None = None,
    task_id: str | None = None,
    stack: str | None = None,
) -> None:
    """Give the row up and record why, in one transaction; nothing happens if it was finished or claimed by another since.

    ``token`` or ``holder`` (a task's id) name the attempt that failed; with neither, nobody may be working on the row.
    """
    with transaction(patience=PATIENCE) as session:
        if not task.work_table.give_up(session, row_id, token=token, task_id=holder, error=summary_of(error)):
            return
        record_dead_work(session, task, row_id, error, task_id=task_id, stack=stack)


def record_dead_work(
    session: Session, task: WorkTask, row_id: UUID, error: BaseException, *, task_id: str | None = None, stack: str | None = None
) -> None:
    """Write why a row is ``failed`` in the transaction that made it so."""
    for owner, dead_id in task.buried_with(session, row_id, error):
        failure = _failure(owner.name, error, task_id=task_id, stack=stack) | {
            "operation_type": owner.operation_type,
            "operation_id": dead_id,
            "event_data": _described(owner, session, dead_id),
            "attempts": owner.work_table.attempts(session, dead_id),
            "needs_confirmation": task.needs_confirmation(error),
        }
        record_failure(session, failure)
        owner.finished_for_good(session, dead_id, error=summary_of(error))
        event = f"{owner.operation_type}.dead"
        log.error(event, task=owner.name, task_id=task_id, row_id=str(dead_id), reason=failure["reason"])


def bury_job(name: str, args: Any, kwargs: Any, error: BaseException, *, task_id: str | None, stack: str | None) -> None:
    """Record the failure of a task that has no row, such as a sweep; the same call counts up one row."""
    call = json.dumps([args, kwargs], default=str, sort_keys=True)
    failure = _failure(name, error, task_id=task_id, stack=stack) | {
        "operation_type": "job",
        "operation_id": uuid5(NAMESPACE_OID, f"{name}{call}"),
        "event_data": {"args": json.loads(call)[0], "kwargs": json.loads(call)[1]},
    }
    _record_or_keep(failure)


def bury_message(reason: str, message: Any, error: BaseException) -> None:
    """Record a message that Celery throws away; called inside the worker's event loop, so it must not raise."""
    headers = message.headers or {}
    failure = _failure(str(headers.get("task") or "unknown"), error, task_id=headers.get("id"), stack=None) | {
        "reason": reason,
        "operation_type": "job",
        "operation_id": uuid4(),
        "event_data": {"headers": json.loads(json.dumps(headers, default=str)), "body": _readable(message.body)},
    }
    try:
        _record_or_keep(failure)
    except Exception as problem:  # noqa: BLE001 - the worker must go on consuming
        log.critical("dead_letter.unwritten", reason=reason, task_id=failure["task_id"], error=type(problem).__name__)


@app.task(name="tasks.store_waiting_dead_letters", base=Sweep)
def store_waiting_dead_letters() -> int:
    """Move the failures that waited in Redis into the table; returns how many."""
    client, stored = redis_client(timeout_seconds=2), 0
    while (text := client.lindex(WAITING_LIST, -1)) is not None:
        failure = json.loads(text)
        with transaction() as session:
            record_failure(session, failure | {"operation_id": UUID(failure["operation_id"])})
        client.lrem(WAITING_LIST, -1, cast("str", text))  # after the commit: the unique key makes a second insert harmless
        stored += 1
    return stored


def row_of(task: Any, args: Any) -> UUID | None:
    """The work row that a call was about; None for a task without one, and for a call with something else than an id."""
    if not isinstance(task, WorkTask) or not args:
        return None
    try:
        return UUID(str(args[0]))
    except ValueError:
        return None


def _described(task: WorkTask, session: Session, row_id: UUID) -> Json:
    """The operation's data; an event that cannot even be read must not keep itself out of the dead letters."""
    try:
        return task.describe(session, row_id)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        return {"unreadable": type(error).__name__}


def _record_or_keep(failure: dict[str, Any]) -> None:
    try:
        with transaction() as session:
            record_failure(session, failure)
    except DBAPIError as away:
        log.warning("dead_letter.waits", task=failure["operation_name"], error=type(away).__name__)
        try:
            redis_client(timeout_seconds=2).lpush(WAITING_LIST, json.dumps(failure, default=str))
        except redis.RedisError as problem:
            log.critical("dead_letter.unwritten", task=failure["operation_name"], error=type(problem).__name__)


def _failure(name: str, error: BaseException, *, task_id: str | None, stack: str | None) -> dict[str, Any]:
    return {
        "operation_name": name,
        "task_id": task_id and str(task_id),
        "reason": _reason(error),
        "error_type": type(error).__name__,
        "error_message": str(error)[:4000],
        "error_stack": stack and stack[-LONGEST_STACK:],
        "needs_confirmation": getattr(error, "needs_confirmation", False),
    }


def _reason(error: BaseException) -> str:
    named: dict[type[BaseException], str] = {
        TimeLimitExceeded: "time_limit",
        WorkerLostError: "worker_lost",
        Revoked: "revoked",
        Poisonous: "poison",
    }
    if isinstance(error, PermanentFailure):
        return error.reason
    return named.get(type(error), "retries_exhausted")


def _stack_text(einfo: Any, traceback: Any, exception: BaseException) -> str:
    if einfo is not None and getattr(einfo, "traceback", None):
        return str(einfo.traceback)
    if isinstance(traceback, str):
        return traceback
    return "".join(tracebacks.format_exception(exception))


def _readable(body: Any) -> Json | str:
    return bytes(body).decode("utf-8", "replace")[:4000] if isinstance(body, (bytes, memoryview)) else str(body)[:4000]
