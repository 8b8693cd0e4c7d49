"""Hears PostgreSQL's NOTIFY about emails that SQL queued and asks for a sweep at once, so that they need not wait for Beat's next one.

One thread in each worker's main process, on a connection of its own. It is a shortcut and nothing depends on it: several may ask for
the same sweep, and without any (or behind a pgbouncer that swallows LISTEN) the sweep comes every few seconds all the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import psycopg
import redis
import structlog
from celery.signals import worker_ready

from models.connection import connect_directly
from tasks.envelope import Message, encode
from tasks.publishing import redis_client
from tasks.recovery import publish_waiting_work

log = structlog.get_logger()

CHANNEL = "redrive_notifications"
QUEUE = "sweeps"
QUIET_SECONDS = 0.25  # a thousand emails queued one by one ask for four sweeps a second, not for a thousand
LONGEST_PAUSE_SECONDS = 30.0


class NotificationListener(threading.Thread):
    """Calls ``ring`` soon after every NOTIFY, and once after each connect for what was queued while nobody listened."""

    def __init__(
        self,
        *,
        ring: Callable[[], None],
        connect: Callable[[], psycopg.Connection[Any]] = connect_directly,
        quiet_seconds: float = QUIET_SECONDS,
        first_pause_seconds: float = 1.0,
    ) -> None:
        super().__init__(name="notification-listener", daemon=True)
        self._ring, self._connect = ring, connect
        self._quiet_seconds, self._first_pause_seconds = quiet_seconds, first_pause_seconds
        self._pause_seconds = first_pause_seconds
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Ask it to end, which takes a second."""
        self._stopping.set()

    def run(self) -> None:
        """Listen, again and again if the database goes away."""
        while not self._stopping.is_set():
            try:
                with self._connect() as connection:
                    self._listen(connection)
            except psycopg.Error as away:
                log.warning("listener.deaf", error=type(away).__name__, pause_seconds=self._pause_seconds)
            self._stopping.wait(self._pause_seconds)
            self._pause_seconds = min(self._pause_seconds * 2, LONGEST_PAUSE_SECONDS)

    def _listen(self, connection: psycopg.Connection[Any]) -> None:
        connection.execute(f"LISTEN {CHANNEL}".encode())
        self._pause_seconds = self._first_pause_seconds
        heard = True
        while not self._stopping.is_set():
            if heard:
                self._ring()
                self._stopping.wait(self._quiet_seconds)  # what comes meanwhile waits in the socket
            heard = any(True for _ in connection.notifies(timeout=1, stop_after=1))


class SweepRinger:
    """Puts one message for a sweep into Redis, unless one waits there already."""

    def __init__(self) -> None:
        self._client = redis_client(timeout_seconds=1)  # its own: a lock of a shared one might be held when the pool forks a child

    def __call__(self) -> None:
        """Ask for a sweep; if Redis is away, the next scheduled one does."""
        try:
            if not self._client.llen(QUEUE):
                self._client.lpush(QUEUE, encode(Message(publish_waiting_work.name, (), QUEUE)))
        except redis.RedisError as error:
            log.warning("doorbell.silent", messages=1, error=type(error).__name__)


@worker_ready.connect(weak=False)
def listen(**_: Any) -> None:
    """Start with the worker, after its children."""
    NotificationListener(ring=SweepRinger()).start()
