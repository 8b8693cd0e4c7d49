"""Ends a worker's soft shutdown as soon as its tasks have ended, not only when its time is up.

Celery sleeps through all of ``worker_soft_shutdown_timeout`` once any task runs, so a deploy would stop all work for 20 seconds
because of a task of 4 milliseconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import wait
from typing import Any, ClassVar

import structlog
from celery import bootsteps
from celery.worker import state

log = structlog.get_logger()

LOOK_AGAIN_SECONDS = 0.1


class SoftShutdown(bootsteps.Step):  # type: ignore[misc]  # Celery ships no types
    """Replaces how the worker waits; the rest of the shutdown is Celery's."""

    requires: ClassVar[set[str]] = {"celery.worker.components:Pool"}

    def create(self, worker: Any) -> None:
        """Called once, when the worker is put together."""
        seconds = worker.app.conf.worker_soft_shutdown_timeout
        if seconds > 0 and worker.pool_cls.__module__ == "celery.concurrency.prefork":
            worker.wait_for_soft_shutdown = partial(wait_until_idle, partial(_busy, worker), seconds)


def wait_until_idle(busy: Callable[[], int], seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
    """Wait until nothing is ``busy``, for at most ``seconds``."""
    deadline, running = clock() + seconds, busy()
    if running:
        log.warning("worker.finishing", tasks=running, seconds=seconds)
    while busy() and clock() < deadline:
        time.sleep(LOOK_AGAIN_SECONDS)


def _busy(worker: Any) -> int:
    """How many tasks run: whose child has not sent its result, which nobody reads while the signal is handled."""
    children = {child.pid: child for child in worker.pool._pool._pool if child.exitcode is None}  # noqa: SLF001 - Celery's and billiard's
    running = [children[request.worker_pid] for request in list(state.active_requests) if request.worker_pid in children]
    with_result = wait([child.outqR_fd for child in running], timeout=0)
    return len(running) - len(with_result)
