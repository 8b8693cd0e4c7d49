"""The recovery sweep: whatever the signals, the messages or the workers lost is found here and published again.

It reads only rows that are overdue for an outcome, so it is cheap when there is nothing. The queue is only topped up: a lane whose
list in Redis is long has work enough, and publishing the same rows again would only double its messages. The few that have waited
longest go before that list, or what a crash interrupted would wait for as long as new work keeps coming. A mark in Redis tells whether
the messages of the last sweeps are still there: without it nobody would notice for a minute that Redis has lost its data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from models.connection import transaction
from models.work import MAX_CRASHES, WorkTable
from models.work_in_sets import count_overdue, forget_messages
from tasks import publishing
from tasks.celery_app import app
from tasks.dead_letters import Poisonous, bury_work
from tasks.envelope import Message
from tasks.sweep import Sweep
from tasks.work_task import WorkTask

log = structlog.get_logger()

FULL_QUEUE = 500  # messages in Redis from which on a lane is left alone: what is not soon taken would be published again
MARK = "redrive:swept"  # set by each sweep; gone if Redis has lost its data, and with it all messages
IN_FRONT = 50  # of each sweep: the oldest rows of a lane that is full
MANY = 50  # overdue rows from which on a lane's way for many is worth it


@dataclass(frozen=True)
class Lane:
    """One kind of work rows: where they lie, in which queue they run, and how their ids become messages and tasks.

    ``wanted`` is how many are worth publishing now (None: all), for work that would only be deferred; the others stay due.
    """

    name: str
    table: WorkTable
    queue: str
    messages: Callable[[Session, list[UUID]], list[Message]]
    task_of: Callable[[Session, UUID], WorkTask]
    wanted: Callable[[], int | None] = lambda: None


@dataclass(frozen=True)
class Bulk:
    """A way for many rows of a lane at once: the condition that names the rows it takes itself, and the messages that start it."""

    which: str
    messages: Callable[[], list[Message]]


_lanes: dict[str, Lane] = {}
_bulks: dict[str, Callable[[], Bulk]] = {}


def register_lane(lane: Lane) -> None:
    """Let the sweep look after this lane too."""
    _lanes[lane.name] = lane


def register_bulk(lane_name: str, bulk: Callable[[], Bulk]) -> None:
    """Let ``MANY`` overdue rows of this lane, or more, go this way instead of by a message each."""
    _bulks[lane_name] = bulk


class BrokerAwayError(Exception):
    """Nothing could be published, so nothing is marked as published either."""


@app.task(name="tasks.publish_waiting_work", base=Sweep)
def publish_waiting_work() -> dict[str, int]:
    """Publish every overdue row, the oldest first, and bury the poisonous ones; returns how many by lane."""
    _notice_lost_messages()
    published = {}
    for lane in _lanes.values():
        _bury_poison(lane)
        published[lane.name] = _top_up(lane)
    if any(published.values()):
        log.info("sweep.published", **{lane: rows for lane, rows in published.items() if rows})
    return published


def _notice_lost_messages() -> None:
    client = publishing.redis_client(timeout_seconds=2)
    if client.exists(MARK):
        return
    with transaction() as session:
        forgotten = {lane.name: forget_messages(lane.table, session) for lane in _lanes.values()}
    client.set(MARK, 1)
    log.warning("broker.empty", **forgotten)


def _top_up(lane: Lane) -> int:
    wanted = lane.wanted()
    room = FULL_QUEUE - publishing.queue_length(lane.queue)
    limit = max(room, IN_FRONT) if wanted is None else min(max(room, IN_FRONT), wanted)
    try:
        with transaction() as session:
            bulk = _bulk(lane, session) if wanted is None else None
            rows = lane.table.due(session, limit=limit, besides=bulk.which if bulk else "false") if limit else []
            messages = lane.messages(session, rows) if rows else []
            if room < IN_FRONT:
                messages = [message._replace(urgent=True) for message in messages]
            _publish([*messages, *(bulk.messages() if bulk else [])])
    except BrokerAwayError:
        return 0
    return len(rows)


def _bulk(lane: Lane, session: Session) -> Bulk | None:
    """The lane's way for many, if it has one and many wait."""
    bulk = _bulks[lane.name]() if lane.name in _bulks else None
    many = bulk is not None and count_overdue(lane.table, session, which=bulk.which, up_to=MANY) == MANY
    return bulk if many else None


def _publish(messages: list[Message]) -> None:
    if not publishing.publish(messages):
        raise BrokerAwayError


def _bury_poison(lane: Lane) -> None:
    with transaction() as session:
        found = [(row_id, token, lane.task_of(session, row_id)) for row_id, token in lane.table.poisoned(session, limit=100)]
    for row_id, token, task in found:
        error = Poisonous(f"{MAX_CRASHES} attempts in a row ended without an outcome: each time the worker died or hung")
        bury_work(task, row_id, error, token=token)
