"""The base of every task that works on a row: claim it, attempt it, and let the row decide what comes next.

``autoretry_for`` catches everything but a ``PermanentFailure`` and calls ``retry``, which writes the pause into the row before it
sends Celery's retry message. The row counts the attempts, so a lost or doubled message changes nothing; when the row says that
there were enough, the last error is raised and ``task_failure`` buries the operation.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar, NoReturn
from uuid import UUID

import structlog
from celery.exceptions import Retry, SoftTimeLimitExceeded
from kombu.exceptions import OperationalError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session

from models.connection import transaction
from models.schema import Json
from models.work import Claim, LeaseLostError, WorkTable
from settings import get_settings
from tasks.backoff import retry_delay
from tasks.errors import Deferred, MalformedRowId, PermanentFailure, RetryLater
from tasks.worker.hardening import HardenedTask

log = structlog.get_logger()

LONGEST_WAIT_IN_CELERY = timedelta(minutes=1)  # Redis redelivers ETAs older than its visibility timeout (celery/kombu#337)


class WorkTask(HardenedTask):
    """One attempt at one work row, whose id is the task's only argument; subclasses name their table and operation type."""

    abstract = True
    autoretry_for = (Exception,)
    dont_autoretry_for = (PermanentFailure,)
    throws = (PermanentFailure,)  # expected: the failed operation has the stack, the log need not repeat it
    retry_backoff = 2  # as Celery shows it; ``tasks.backoff`` gives the pauses: 2, 4, 8, 16, 32 s and up to a quarter more
    retry_jitter = False
    max_retries = 5
    default_retry_delay = 2  # after a lost worker, where Celery's own default is 180 s

    work_table: ClassVar[WorkTable]
    operation_type: ClassVar[str]
    outlives_a_crash: ClassVar[bool] = False  # whether an attempt that was cut off is simply made again, until the row is poison

    def describe(self, session: Session, row_id: UUID) -> Json:
        """The original event or notification as plain JSON, for the dead letters."""
        raise NotImplementedError

    def buried_with(self, session: Session, row_id: UUID, error: BaseException) -> list[tuple[WorkTask, UUID]]:  # noqa: ARG002
        """The operations that fail because this row was given up: itself, unless it stands for others."""
        return [(self, row_id)]

    def needs_confirmation(self, error: BaseException) -> bool:
        """Whether doing the operation again may repeat something that already happened."""
        return bool(getattr(error, "needs_confirmation", False))

    def finished_for_good(self, session: Session, row_id: UUID, *, error: str) -> None:
        """Called in the transaction that gives the row up; a table with a log of its own writes its last line here."""

    def attempt(self, row_id: str, work: Callable[[Claim], str]) -> str:
        """Claim the row and do ``work`` with the claim; returns its outcome, or why nothing was done."""
        claim = self._claim(row_id)
        if claim is None:
            return "not due"  # done, held by another worker, or not yet: a doubled message ends here
        self.request.claim, self.request.started = claim, time.monotonic()
        try:
            outcome = work(claim)
        except LeaseLostError:
            outcome = "lease lost"
        except PermanentFailure as failure:
            self._log(claim, "dead", error=type(failure).__name__)
            self.request.error = failure
            raise
        self._log(claim, outcome)
        return outcome

    def retry(self, *_: Any, exc: BaseException | None = None, **__: Any) -> NoReturn:
        """Put the row back with its next due time, send the retry message, and end this attempt; called by ``autoretry_for``."""
        claim: Claim | None = getattr(self.request, "claim", None)
        error = exc or RuntimeError("retry() was called without an exception")
        if claim is None:
            self._retry_unclaimed(error)
        delay = self.settle(claim, error, grace=timedelta(seconds=get_settings().publish_grace_seconds))
        if delay is None:
            self._log(claim, "dead", error=type(error).__name__)
            self.request.error = error
            raise error
        self._log(claim, "deferred" if isinstance(error, Deferred) else "retry", error=type(error).__name__, delay=delay)
        self._end_with_retry(error, delay, send=not isinstance(error, Deferred))

    def settle(self, claim: Claim, error: BaseException, *, grace: timedelta) -> timedelta | None:
        """Put the row back and return the time until its next attempt; None if there is none, and the caller buries it.

        ``grace`` is how long the sweep leaves the row to the caller's own message.
        """
        if isinstance(error, PermanentFailure) or (not isinstance(error, Deferred) and claim.attempts > self.max_retries):
            return None
        delay = self.delay_after(error, claim.attempts)
        self._put_back(claim, error, delay, grace)
        return delay

    def _claim(self, row_id: str) -> Claim | None:
        try:
            row = UUID(row_id)
        except (ValueError, TypeError, AttributeError):
            raise MalformedRowId(f"{row_id!r} is not the id of a row") from None
        holder = holder_of(self.request.id, self.request.hostname, os.getpid())
        with transaction() as session:
            return self.work_table.claim(session, row, holder=holder, lease=timedelta(seconds=get_settings().lease_seconds))

    def delay_after(self, error: BaseException, attempt: int) -> timedelta:
        """The pause after this attempt, which failed."""
        if isinstance(error, Deferred):
            return error.delay
        delay = retry_delay(attempt, unit_seconds=get_settings().retry_unit_seconds)
        return max(delay, error.delay) if isinstance(error, RetryLater) else delay

    def _put_back(self, claim: Claim, error: BaseException, delay: timedelta, grace: timedelta) -> None:
        try:
            with transaction() as session:
                if isinstance(error, Deferred):
                    self.work_table.defer(session, claim, delay=delay, reason=str(error))
                else:
                    self.work_table.retry_later(session, claim, delay=delay, error=summary_of(error), grace=grace)
        except LeaseLostError:
            log.info("lease.lost", table=self.work_table.name, row_id=str(claim.id), token=claim.token)
        except DBAPIError as away:
            log.warning("database.away", table=self.work_table.name, row_id=str(claim.id), error=type(away).__name__)

    def _retry_unclaimed(self, error: BaseException) -> NoReturn:
        """Nothing was claimed: if the database is away or hangs, ask again a few times; the row waits there in any case."""
        if not isinstance(error, (SQLAlchemyError, SoftTimeLimitExceeded)):
            raise error
        retries = self.request.retries
        delay = retry_delay(retries + 1, unit_seconds=get_settings().retry_unit_seconds)
        log.warning("database.away", task=self.name, task_id=self.request.id, retries=retries, error=type(error).__name__)
        self._end_with_retry(error, delay, send=retries < self.max_retries)

    def _end_with_retry(self, error: BaseException, delay: timedelta, *, send: bool) -> NoReturn:
        """End in state RETRY; without a message, or when Redis does not take it, the sweep publishes the row when it is due."""
        if send and delay <= LONGEST_WAIT_IN_CELERY:
            signature = self.signature_from_request(self.request, countdown=delay.total_seconds(), retries=self.request.retries + 1)
            try:
                signature.apply_async()
            except OperationalError as away:
                log.warning("doorbell.silent", task=self.name, task_id=self.request.id, error=type(away).__name__)
        raise Retry(exc=error, when=delay.total_seconds())

    def _log(self, claim: Claim, outcome: str, *, error: str | None = None, delay: timedelta | None = None) -> None:
        event = f"{self.operation_type}.attempted"
        log.info(
            event,
            task=self.name,
            task_id=self.request.id,
            row_id=str(claim.id),
            attempt=claim.attempts,
            attempts_allowed=self.max_retries + 1,
            outcome=outcome,
            error=error,
            delay_seconds=delay and round(delay.total_seconds(), 1),
            duration_ms=round((time.monotonic() - self.request.started) * 1000),
        )


def holder_of(task_id: str | None, hostname: str | None, pid: int | None) -> str:
    """Who holds a lease. A doubled message has the same task id, so the process is named too: one of the two may die alone."""
    return f"{task_id}@{hostname}/{pid}"


def summary_of(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:1000]
