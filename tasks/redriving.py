"""Running failed operations again, one or many: always by a named person, and written to the audit log.

An email or a webhook event has a row: it is made pending again, and its failed operation is resolved by the success. A job has none:
it is published once more, and resolved by that.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog
from kombu.exceptions import OperationalError
from sqlalchemy import func
from sqlalchemy.orm import Session

from models.audit_log import record_action
from models.connection import transaction
from models.failed_operation_lists import Filters, ids_beginning_with, matching_ids
from models.failed_operations import FailedOperation
from models.notification_event_logs import LogLine, write_log
from models.notification_redriving import read_failed_email, start_afresh
from models.notification_sending import allow_another_mail
from models.notifications import NOTIFICATIONS
from models.webhook_events import WEBHOOK_EVENTS
from models.work import WorkTable
from tasks.celery_app import app
from tasks.envelope import Message
from tasks.publishing import publish_after_commit
from tasks.redrive_errors import (
    AlreadyResolved,
    AmbiguousId,
    ConfirmationNeeded,
    NotFailedAnyMore,
    NotPublished,
    NotRepeatable,
    RedriveRefused,
    UnknownOperation,
)

log = structlog.get_logger()

SUBJECT = "failed_operation"
ROWS: dict[str, tuple[WorkTable, str]] = {"email": (NOTIFICATIONS, "emails"), "webhook": (WEBHOOK_EVENTS, "webhooks")}
MAY_BE_TWICE = (
    "This mail may already have been sent, and the provider would not recognise a second one. Look for it at the provider first;"
    " if the customer shall get it, perhaps for the second time, confirm."
)


@dataclass
class BulkRedrive:
    """What became of many: the ids that are on their way, and for the others why not."""

    redriven: list[UUID] = field(default_factory=list)
    refused: dict[UUID, RedriveRefused] = field(default_factory=dict)


def redrive_operation(session: Session, failed_operation_id: UUID, *, actor: str, confirmed: bool = False) -> FailedOperation:
    """Run it again once the session's transaction is committed; raises ``RedriveRefused`` with the reason, and changes nothing then.

    ``confirmed`` says that a person accepts that the effect may happen twice. ``actor`` is who, for example ``cli:alice``.
    """
    operation = _unresolved(session, failed_operation_id)
    if operation.operation_type in ROWS:
        _redrive_row(session, operation, actor=actor, confirmed=confirmed)
    else:
        _publish_job(operation)
        _resolve(operation, actor, "published again")
    operation.retry_count += 1
    operation.last_retry_at = func.now()
    session.flush()
    session.refresh(operation)
    record_action(session, actor=actor, action=f"{SUBJECT}.redriven", subject_type=SUBJECT, subject_id=operation.id, confirmed=confirmed)
    log.info("operation.redriven", failed_operation_id=str(operation.id), task=operation.operation_name, actor=actor, confirmed=confirmed)
    return operation


def redrive_matching(filters: Filters, *, limit: int, actor: str, confirmed: bool = False) -> BulkRedrive:
    """Run the oldest ``limit`` matching operations again, each in a transaction of its own."""
    with transaction() as session:
        ids = matching_ids(session, filters, limit=limit)
    done = BulkRedrive()
    for failed_operation_id in ids:
        try:
            with transaction() as session:
                redrive_operation(session, failed_operation_id, actor=actor, confirmed=confirmed)
        except RedriveRefused as refusal:
            done.refused[failed_operation_id] = refusal
        else:
            done.redriven.append(failed_operation_id)
    return done


def resolve_operation_by_hand(session: Session, failed_operation_id: UUID, *, actor: str, note: str) -> FailedOperation:
    """A person has dealt with it in another way; ``note`` says how."""
    operation = _unresolved(session, failed_operation_id)
    _resolve(operation, actor, note)
    session.flush()
    session.refresh(operation)
    record_action(session, actor=actor, action=f"{SUBJECT}.resolved", subject_type=SUBJECT, subject_id=operation.id)
    return operation


def find_operation(session: Session, id_or_beginning: str) -> UUID:
    """The id of the one failed operation whose id is this, or begins so."""
    beginning = id_or_beginning.strip()
    found = ids_beginning_with(session, beginning) if beginning else []
    if not found:
        raise UnknownOperation(beginning)
    if len(found) > 1:
        raise AmbiguousId(beginning)
    return found[0]


def _unresolved(session: Session, failed_operation_id: UUID) -> FailedOperation:
    """The operation, locked, so that two people cannot redrive it at once."""
    operation = session.get(FailedOperation, failed_operation_id, with_for_update=True, populate_existing=True)
    if operation is None:
        raise UnknownOperation(failed_operation_id)
    if operation.resolved_at is not None:
        when = f"{operation.resolved_at:%Y-%m-%d %H:%M} UTC"
        raise AlreadyResolved(f"It was resolved on {when} by {operation.resolved_by or 'somebody'}; there is nothing left to do.")
    return operation


def _resolve(operation: FailedOperation, actor: str, note: str) -> None:
    operation.resolved_at = func.now()
    operation.resolved_by, operation.resolution_note = actor, note


def _redrive_row(session: Session, operation: FailedOperation, *, actor: str, confirmed: bool) -> None:
    table, queue = ROWS[operation.operation_type]
    row_id = operation.operation_id
    standing = table.standing(session, row_id)
    if standing is None or standing.erased:
        raise NotRepeatable("What it was about has been deleted or erased since, so it cannot be done any more; resolve it.")
    if standing.status != "failed":
        told = "is on its way already" if standing.status in {"pending", "running"} else f"has ended as {standing.status}; resolve it"
        raise NotFailedAnyMore(f"It {told}.")
    if operation.operation_type == "email":
        _prepare_email(session, operation, confirmed=confirmed)
        write_log(session, LogLine(row_id, "redriven", actor=actor, detail={"confirmed": confirmed}))
    elif operation.needs_confirmation and not confirmed:
        raise ConfirmationNeeded(f"{operation.error_message} Confirm that it shall be done again all the same.")
    table.redrive(session, row_id)
    publish_after_commit(session, Message(operation.operation_name, (str(row_id),), queue))


def _prepare_email(session: Session, operation: FailedOperation, *, confirmed: bool) -> None:
    """Choose the idempotency key: the old one while it protects, a new one where it would only be in the way."""
    email = read_failed_email(session, operation.operation_id)
    if operation.needs_confirmation or email.key_forgotten:
        if not confirmed:
            raise ConfirmationNeeded(MAY_BE_TWICE)
        allow_another_mail(session, operation.operation_id)
    elif not email.outcome_unknown:
        start_afresh(session, operation.operation_id)


def _publish_job(operation: FailedOperation) -> None:
    """Publish before the commit that resolves it: a job done twice is harmless, one forgotten is not."""
    app.loader.import_default_modules()
    task = app.tasks.get(operation.operation_name)
    if task is None:
        raise NotRepeatable(
            f"No program of this release is called {operation.operation_name}: do what the message says by hand, then resolve it."
        )
    args, kwargs = _call_of(operation)
    try:
        task.apply_async(args, kwargs)
    except OperationalError as away:
        raise NotPublished("Redis does not answer, so the task could not be published; try again when it does.") from away


def _call_of(operation: FailedOperation) -> tuple[list[Any], dict[str, Any]]:
    """With what the task was called: as Celery said it, or from the body of a message that never became a task."""
    data = operation.event_data
    try:
        args, kwargs = (data["args"], data["kwargs"]) if "args" in data else json.loads(data["body"])[:2]
        return list(args), dict(kwargs)
    except (LookupError, TypeError, ValueError):
        raise NotRepeatable("Its message cannot be read, so nobody knows with what to call the task; resolve it.") from None
