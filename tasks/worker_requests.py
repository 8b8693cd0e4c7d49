"""What the worker's parent process does with one message: it frees the row of a lost child, and refuses a message without a task."""

from __future__ import annotations

from typing import Any

import structlog
from billiard.einfo import ExceptionWithTraceback
from billiard.exceptions import WorkerLostError
from celery.exceptions import InvalidTaskError
from celery.worker.request import Request
from sqlalchemy.exc import SQLAlchemyError

from models.connection import transaction
from tasks.dead_letters import row_of
from tasks.work_task import holder_of

log = structlog.get_logger()


class HardenedRequest(Request):  # type: ignore[misc]  # Celery ships no types
    """Celery's request (option ``Request`` of a task)."""

    def __init__(self, message: Any, **options: Any) -> None:
        try:
            super().__init__(message, **options)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            # Celery expects only its own error here; any other one leaves the message unanswered.
            raise InvalidTaskError(f"the message is not a whole task: {type(error).__name__}: {error}") from error

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
        """The child's attempt ended without a result; a lost child's lease ends now, so that nobody waits for it to run out."""
        error = exc_info.exception
        if isinstance(error, ExceptionWithTraceback):
            error = error.exc
        if isinstance(error, (WorkerLostError, SystemExit)):
            self._free_row()
        return super().on_failure(exc_info, *args, **kwargs)

    def _free_row(self) -> None:
        row_id = row_of(self.task, self.args)
        if row_id is None:
            return
        try:
            with transaction() as session:
                self.task.work_table.expire_lease(session, row_id, holder=holder_of(self.id, self.hostname, self.worker_pid))
        except SQLAlchemyError as away:
            log.warning("lease.runs_out", table=self.task.work_table.name, row_id=str(row_id), error=type(away).__name__)
