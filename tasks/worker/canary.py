"""The canary: proves that this worker really consumes, and ends it when it does not, so that the platform starts a new one.

After a reconnect to Redis a worker can live on without consuming anything (celery/celery#8030, #8091, #10205); it answers pings all the
same, since they come another way. So every worker has a queue of its own, into which it puts a message now and then. An idle worker
that has not taken its canary for a while, although Redis answers, is such a one.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar
from uuid import uuid4

import redis
import structlog
from celery import bootsteps
from celery.signals import task_received
from celery.worker import state
from kombu import Queue

from settings import get_settings
from tasks.celery_app import app
from tasks.envelope import Message, encode
from tasks.publishing import redis_client

log = structlog.get_logger()

NAME = "tasks.canary"
LONGEST_SHUTDOWN_SECONDS = 30


@app.task(name=NAME)
def canary() -> None:
    """Do nothing; that it came this far is the point."""


class Canary(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery ships no types
    """Gives the worker its own queue and starts the watch; on a reconnect only the queue is consumed again."""

    requires: ClassVar[set[str]] = {"celery.worker.consumer.tasks:Tasks"}
    _watch: ClassVar[Watch | None] = None

    def __init__(self, consumer: Any, **_: Any) -> None:
        self.enabled = get_settings().canary_seconds > 0 and consumer.app.conf.broker_url.startswith("redis")
        super().__init__(consumer)

    def start(self, consumer: Any) -> None:
        """Begin, once for each process."""
        if Canary._watch is None:
            Canary._watch = Watch(every_seconds=get_settings().canary_seconds)
            task_received.connect(Canary._watch.on_received, weak=False)
            Canary._watch.start()
        queue = Canary._watch.queue
        if queue not in consumer.app.amqp.queues:
            consumer.app.amqp.queues.add(Queue(queue))
        consumer.add_task_queue(queue)


class Watch(threading.Thread):
    """Sends a canary every ``every_seconds`` and calls ``end`` when an idle worker has left four in a row untouched."""

    def __init__(self, *, every_seconds: float, end: Callable[[], None] | None = None) -> None:
        super().__init__(name="canary", daemon=True)
        self.queue = f"canary.{uuid4()}"
        self._every_seconds = every_seconds
        self._end = end or end_worker
        self._last_sign = time.monotonic()

    def on_received(self, **_: Any) -> None:
        """Any message taken from any queue is a sign of life; called in the worker's main thread."""
        self._last_sign = time.monotonic()

    def run(self) -> None:
        """Watch until the worker ends."""
        client = redis_client(timeout_seconds=2)
        while True:
            self._send(client)
            time.sleep(self._every_seconds)
            if state.active_requests:
                self._last_sign = time.monotonic()  # all slots may be busy, which is not the same as deaf
            if time.monotonic() - self._last_sign > 4 * self._every_seconds:
                log.critical("worker.deaf", queue=self.queue, seconds=round(time.monotonic() - self._last_sign))
                self._end()
                return

    def _send(self, client: redis.Redis) -> None:
        try:
            if not client.exists(self.queue):
                client.lpush(self.queue, encode(Message(NAME, (), self.queue)))
            client.expire(self.queue, round(self._every_seconds * 10) + 1)  # the queue of a dead worker goes away by itself
        except redis.RedisError:
            self._last_sign = time.monotonic()  # nobody can consume from a Redis that does not answer


def end_worker() -> None:
    """Ask for a soft shutdown; a worker that cannot even do that is ended hard, its work goes on elsewhere by lease and sweep."""
    os.kill(os.getpid(), signal.SIGQUIT if os.environ.get("REMAP_SIGTERM") else signal.SIGTERM)
    time.sleep(LONGEST_SHUTDOWN_SECONDS)
    os._exit(1)
