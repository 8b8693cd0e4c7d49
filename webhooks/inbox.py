"""One durable commit for all requests that wait at the same time: a writer thread stores what the request threads hand it.

A request is answered only after the commit that holds its event. While one commit is under way the next requests gather, so the
cost of a commit is shared exactly when there are many; a lone request waits for nobody.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

import psycopg
import structlog

from models.webhook_inbox import IncomingEvent, StoredEvent, store_events

log = structlog.get_logger()

LARGEST_BATCH = 128
Stored = Callable[[list[StoredEvent]], None]
Connect = Callable[[], psycopg.Connection[Any]]


class InboxUnavailableError(Exception):
    """The event could not be stored now; the sender must send it again."""


class _Waiting:
    """A request thread that waits for its event to be stored; ``done`` is a lock that the writer opens once.

    A plain lock and a ``SimpleQueue`` are all C; an ``Event`` and a ``Semaphore`` cost a tenth of the whole request.
    """

    __slots__ = ("abandoned", "done", "event", "stored")

    def __init__(self, event: IncomingEvent) -> None:
        self.event = event
        self.done = threading.Lock()
        self.done.acquire()
        self.stored: StoredEvent | None = None
        self.abandoned = False


class Inbox:
    """Stores events for many threads through one connection; ``after_commit`` is told what was stored, off the requests' path."""

    def __init__(
        self, connect: Connect, after_commit: Stored, *, grace_seconds: float, timeout_seconds: float = 1.5, pause_seconds: float = 0.5
    ) -> None:
        self._connect, self._after_commit = connect, after_commit
        self._grace_seconds, self._timeout_seconds, self._pause_seconds = grace_seconds, timeout_seconds, pause_seconds
        self._queue: SimpleQueue[_Waiting] = SimpleQueue()
        self._connection: psycopg.Connection[Any] | None = None
        self._busy_since: float | None = None
        self._closed_until = 0.0
        threading.Thread(target=self._run, name="inbox-writer", daemon=True).start()

    def store(self, event: IncomingEvent) -> StoredEvent:
        """Return once the event is committed; raises ``InboxUnavailableError`` within ``timeout_seconds``."""
        now, busy_since = time.monotonic(), self._busy_since
        if now < self._closed_until or (busy_since is not None and now - busy_since > self._timeout_seconds):
            raise InboxUnavailableError  # the database is away: do not let requests pile up behind it
        waiting = _Waiting(event)
        self._queue.put(waiting)
        if not waiting.done.acquire(timeout=self._timeout_seconds) or waiting.stored is None:
            waiting.abandoned = True
            raise InboxUnavailableError
        return waiting.stored

    def _run(self) -> None:
        with suppress(psycopg.Error):  # before the first request waits for it; if the database is away, that one tries again
            self._connection = self._connect()
        while True:
            batch = self._take_batch()
            if not batch:
                continue
            self._busy_since = time.monotonic()
            try:
                stored = self._store_batch(batch)
            except Exception as error:  # noqa: BLE001 - whatever it is, the requests get their 503 and the thread lives on
                self._close(error, len(batch))
                stored = []
            finally:
                self._busy_since = None
                for waiting in batch:
                    waiting.done.release()
            if stored:
                self._after_commit(stored)

    def _take_batch(self) -> list[_Waiting]:
        """Wait for the first, then take all that gathered meanwhile."""
        batch = [self._queue.get()]
        try:
            while len(batch) < LARGEST_BATCH:
                batch.append(self._queue.get_nowait())
        except Empty:
            pass
        return [waiting for waiting in batch if not waiting.abandoned]

    def _store_batch(self, batch: Sequence[_Waiting]) -> list[StoredEvent]:
        if self._connection is None:
            self._connection = self._connect()
        stored = store_events(self._connection, [waiting.event for waiting in batch], grace_seconds=self._grace_seconds)
        for waiting, result in zip(batch, stored, strict=True):
            waiting.stored = result
        return stored

    def _close(self, error: Exception, waiting: int) -> None:
        log.warning("inbox.unavailable", error=type(error).__name__, waiting=waiting)
        self._closed_until = time.monotonic() + self._pause_seconds
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
