"""What becomes of mails that did not leave when many were tried at once; for a single one its task decides the same."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from datetime import timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from models.connection import transaction
from models.notifications import NOTIFICATIONS
from models.work import Claim
from models.work_in_sets import Deferral, defer_all
from tasks.dead_letters import bury_work
from tasks.errors import Deferred
from tasks.mail.send_attempt import Failure, note_failures
from tasks.mail.sending import task_of
from tasks.work_task import WorkTask

log = structlog.get_logger()


def settle_mails(failures: Sequence[tuple[Failure, str]]) -> None:
    """Each failure with the kind of its mail: log it, then wait, try again, or give up, as the kind's own task would."""
    if not failures:
        return
    note_failures([failure for failure, _ in failures])
    deferred = [Deferral(one.claim, one.error.delay, str(one.error)) for one, _ in failures if isinstance(one.error, Deferred)]
    if deferred:
        with transaction() as session:
            defer_all(NOTIFICATIONS, session, deferred)
    for failure, kind in failures:
        if not isinstance(failure.error, Deferred):
            settle(task_of(kind), failure.claim, failure.error)


def settle(task: WorkTask, claim: Claim, error: Exception) -> None:
    """Put the row back with its next due time, when the sweep finds it, or bury it."""
    if task.settle(claim, error, grace=timedelta()) is not None:
        return
    try:
        bury_work(task, claim.id, error, token=claim.token, stack="".join(traceback.format_exception(error)))
    except SQLAlchemyError as away:  # the lease runs out, and the sweep brings the row here again
        log.warning("dead_letter.waits", task=task.name, row_id=str(claim.id), error=type(away).__name__)
