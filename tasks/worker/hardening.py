"""What Celery 5.7 on Redis needs to be safe in production: each part here closes one measured way to lose or repeat work."""

from __future__ import annotations

import time
from typing import Any, ClassVar

import billiard.pool
import structlog
from celery import Celery, Task, bootsteps
from celery.signals import worker_process_init
from celery.worker import state

from models.connection import forget_engine
from models.work import WorkTable
from tasks.errors import TaskMemoryError

log = structlog.get_logger()

# A job handed to a child but not yet confirmed is dropped from the parent's cache at shutdown (celery/celery#6863); the child then
# waits this many tenths of a second for a confirmation that never comes. 300 by default = 30 s, when the platform kills.
CONFIRMATION_TENTHS = 20


class HardenedTask(Task):  # type: ignore[misc]  # Celery ships no types
    """The base of all tasks: a ``MemoryError`` becomes an ordinary failure, since the original would stop the whole worker."""

    abstract = True
    default_retry_delay = 2
    holds: ClassVar[tuple[WorkTable, ...]] = ()  # where a run takes rows that its arguments do not name
    Request = "tasks.worker.worker_requests:HardenedRequest"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task body."""
        try:
            return self.run(*args, **kwargs)
        except MemoryError as error:
            raise TaskMemoryError(f"{self.name} ran out of memory") from error


class VisibilityHeartbeat(bootsteps.StartStopStep):  # type: ignore[misc]
    """Keeps telling Redis which messages this worker still holds.

    With it the visibility timeout need not exceed the longest task or ETA (celery/kombu#337): it becomes the time after which a
    *dead* worker's messages are delivered again.
    """

    requires: ClassVar[set[str]] = {"celery.worker.consumer.tasks:Tasks"}

    def __init__(self, consumer: Any, **_: Any) -> None:
        self._timer: Any = None
        super().__init__(consumer)

    def start(self, consumer: Any) -> None:
        """Begin to refresh, four times within each timeout."""
        if consumer.connection.transport.driver_type == "redis":
            interval = max(1.0, consumer.task_consumer.channel.visibility_timeout / 4)
            self._timer = consumer.timer.call_repeatedly(interval, refresh_held_messages, (consumer,), priority=10)

    def stop(self, _consumer: Any) -> None:
        """Stop refreshing; what is still held comes back after the timeout."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    terminate = stop


def refresh_held_messages(consumer: Any) -> None:
    """Set the score of every message held by this worker to now, where it still exists."""
    try:
        channel = consumer.task_consumer.channel
        held = set(channel.qos._delivered) - set(channel.qos._dirty)  # noqa: SLF001 - kombu offers no other way
        # Requests that outlived a reconnect belong to the previous channel.
        held |= {request.message.delivery_tag for request in list(state.active_requests) if not request.acknowledged}
        if held:
            with channel.conn_or_acquire() as client:
                client.zadd(channel.qos.unacked_index_key, dict.fromkeys(held, time.time()), xx=True)
    except Exception as error:  # noqa: BLE001 - an error here would break the worker's event loop
        log.warning("visibility_heartbeat.failed", error=type(error).__name__)


def harden(app: Celery) -> None:
    """Install everything above into the app."""
    billiard.pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = CONFIRMATION_TENTHS
    app.steps["consumer"].add(VisibilityHeartbeat)
    app.steps["consumer"].add("tasks.worker.canary:Canary")
    app.steps["worker"].add("tasks.worker.soft_shutdown:SoftShutdown")
    worker_process_init.connect(_after_fork, weak=False)


def _after_fork(**_: Any) -> None:
    forget_engine()
