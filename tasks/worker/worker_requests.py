"""What the worker's parent process does about an attempt that its child did not end: it frees the row, so that work goes on."""

from __future__ import annotations

import os
from contextlib import suppress
from signal import SIGKILL, SIGTERM
from typing import Any

import structlog
from billiard.common import TERM_SIGNAME
from billiard.einfo import ExceptionWithTraceback
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery.worker.request import Request
from sqlalchemy.exc import SQLAlchemyError

from models.connection import transaction
from models.work_in_sets import expire_leases
from tasks.dead_letters import PATIENCE, row_of
from tasks.work_task import holder_of

log = structlog.get_logger()


class HardenedRequest(Request):  # type: ignore[misc]  # Celery ships no types
    """Celery's request (option ``Request`` of a task)."""

    def terminate(self, pool: Any, signal: Any = None) -> None:
        """End the child; where SIGTERM is remapped children ignore it, and ``revoke(terminate=True)`` would end nothing."""
        super().terminate(pool, TERM_SIGNAME if signal in {None, SIGTERM, "SIGTERM"} else signal)

    def cancel(self, pool: Any, *args: Any, **kwargs: Any) -> None:
        """The worker's shutdown does not wait any longer: the message goes back, and the row has to be free for whoever takes it."""
        super().cancel(pool, *args, **kwargs)
        if self.time_start:
            self._end_child()
            self._free_rows()

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
        """The child's attempt ended without an outcome of its own; Celery's signals are sent from here."""
        error = exc_info.exception
        if isinstance(error, ExceptionWithTraceback):
            error = error.exc
        if isinstance(error, TimeLimitExceeded):
            self._end_child()
        elif isinstance(error, (WorkerLostError, SystemExit)):
            self._free_rows()
        return super().on_failure(exc_info, *args, **kwargs)

    def _end_child(self) -> None:
        """Celery tells of a hard time limit, and of a shutdown, before the child has ended, whose transaction locks the row until then."""
        if self.worker_pid and self.worker_pid != os.getpid():
            with suppress(ProcessLookupError):
                os.kill(self.worker_pid, SIGKILL)

    def _free_rows(self) -> None:
        """A lost child's leases end now, so that nobody waits for them to run out."""
        row_id, holder = row_of(self.task, self.args), holder_of(self.id, self.hostname, self.worker_pid)
        try:
            with transaction(patience=PATIENCE) as session:
                if row_id is not None:
                    self.task.work_table.expire_lease(session, row_id, holder=holder)
                for table in self.task.holds:
                    expire_leases(table, session, holder=holder)
        except SQLAlchemyError as away:
            log.warning("lease.runs_out", task=self.task.name, row_id=row_id and str(row_id), error=type(away).__name__)
