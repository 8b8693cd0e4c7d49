"""One source's sweep: from what instant to what instant, and chunk by chunk through everything due in between."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

import psycopg
import structlog
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError
from sqlalchemy.orm import Session

from models.connection import transaction
from models.due_reminders import Chunk, Place, Window, claim_chunk, next_place, try_lock
from models.heartbeats import beat, last_success
from tasks.errors import RedriveError
from tasks.reminders import ReminderSource

log = structlog.get_logger()

CHUNK = 10_000
AROUND = timedelta(hours=1)  # before and after the due time: the window of two hours
MOST_BAD_ROWS = 20
SMALLEST_CHUNK = 100


class SourceBusy(RedriveError):  # noqa: N818 - an outcome rather than a mistake
    """Another sweep is at this source now."""


class BadRowsError(RedriveError):
    """Rows of a source that cannot be turned into reminders; all others were."""


class Progress(NamedTuple):
    """How far a source's sweep has come: rows looked at and claimed so far, and since when."""

    source: str
    due: int
    claimed: int
    seconds: float


def heartbeat_name(source: ReminderSource) -> str:
    """Under which name each source's last complete sweep is remembered."""
    return f"reminders/{source.name}"


def window_of(source: ReminderSource, now: datetime, swept_at: datetime | None) -> Window:
    """The events whose reminders are due within an hour of ``now``, or fell due since the last complete sweep.

    Those whose due time lies ahead are claimed early and leave on time. What fell due during an outage is late by up to the source's
    limit, and never reminded of when it has begun. Without an earlier sweep the whole limit is looked at.
    """
    missed = now - swept_at if swept_at else source.late_limit
    late = min(max(AROUND, missed + AROUND), source.late_limit)
    return Window(now=now, after=max(now, now + source.lead - late), until=now + source.lead + AROUND)


def window_for(session: Session, source: ReminderSource, now: datetime) -> Window:
    """The window that the source's sweep has at ``now``."""
    return window_of(source, now, last_success(session, heartbeat_name(source)))


class SourceSweep:
    """A walk through what is due; iterate to make it go on. Raises ``SourceBusy``, ``BadRowsError`` or whatever the query raises."""

    def __init__(self, source: ReminderSource, now: datetime, *, chunk: int = CHUNK) -> None:
        self._source = source
        self._now = now
        self._chunk = chunk
        self._bad: list[str] = []
        self._due = self._claimed = 0

    def __iter__(self) -> Iterator[Progress]:
        """Every chunk's progress, after its commit; then the sweep counts as complete."""
        window, begun = self._begin(), time.monotonic()
        start: Place | None = None
        limit = self._chunk
        while True:
            started = time.monotonic()
            try:
                chunk = self._claim(window, start, limit)
            except (DataError, IntegrityError, OperationalError) as error:
                start, limit = self._after(error, window, start, limit)
                continue
            if chunk is None:
                break
            self._note(chunk, started)
            yield Progress(self._source.name, self._due, self._claimed, time.monotonic() - begun)
            start, limit = chunk.last, min(self._chunk, limit * 10)
        self._end()

    def _begin(self) -> Window:
        with transaction() as session:
            if not try_lock(session, self._source):
                raise SourceBusy(f"another sweep is at {self._source.name}")
            if self._source.prepare:
                self._source.prepare(session)
        with transaction() as session:
            return window_for(session, self._source, self._now)

    def _claim(self, window: Window, start: Place | None, limit: int) -> Chunk | None:
        with transaction() as session:
            if not try_lock(session, self._source):
                raise SourceBusy(f"another sweep is at {self._source.name}")
            return claim_chunk(session, self._source, window, start=start, limit=limit)

    def _after(self, error: DBAPIError, window: Window, start: Place | None, limit: int) -> tuple[Place | None, int]:
        """Smaller steps towards a row that cannot be claimed, and past it; smaller ones for good where a statement took too long."""
        if isinstance(error, OperationalError):
            if limit <= SMALLEST_CHUNK or not isinstance(error.orig, psycopg.errors.QueryCanceled):
                raise error
            self._chunk = limit // 10
        elif limit == 1:
            start = self._skip(window, start, error)
        return start, max(1, limit // 10)

    def _skip(self, window: Window, start: Place | None, error: DBAPIError) -> Place | None:
        """Go past the one row that cannot be claimed; its values stay out of the message, since they are somebody's."""
        with transaction() as session:
            place = next_place(session, self._source, window, start)
        if place is not None:
            self._bad.append(f"{place.entity_id} ({type(error.orig).__name__})")
        if len(self._bad) >= MOST_BAD_ROWS:
            self._end()
        return place or start

    def _note(self, chunk: Chunk, started: float) -> None:
        self._due += chunk.due
        self._claimed += chunk.claimed
        log.info(
            "reminders.claimed",
            source=self._source.name,
            due=chunk.due,
            claimed=chunk.claimed,
            leaving_now=chunk.leaving,
            up_to=chunk.last.scheduled_at.isoformat(),
            duration_ms=round((time.monotonic() - started) * 1000),
        )

    def _end(self) -> None:
        if self._bad:
            raise BadRowsError(f"{len(self._bad)} rows of {self._source.name} could not be claimed: {', '.join(self._bad)}")
        with transaction() as session:
            beat(session, heartbeat_name(self._source), {"due": self._due, "claimed": self._claimed})
