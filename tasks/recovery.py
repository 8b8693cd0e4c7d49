"""The recovery sweep: whatever the signals, the messages or the workers lost is found here and published again.

It reads only rows that are overdue for an outcome, so it is cheap when there is nothing. The queue is only topped up: a lane whose
list in Redis is long has work enough, and publishing the same rows again would only double its messages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from models.connection import transaction
from models.work import MAX_CRASHES, WorkTable
from tasks import publishing
from tasks.celery_app import app
from tasks.dead_letters import Poisonous, bury_work
from tasks.envelope import Message
from tasks.sweep import Sweep
from tasks.work_task import WorkTask

log = structlog.get_logger()

FULL_QUEUE = 500  # messages in Redis from which on a lane is left alone: what is not soon taken would be published again


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


_lanes: dict[str, Lane] = {}


def register_lane(lane: Lane) -> None:
    """Let the sweep look after this lane too."""
    _lanes[lane.name] = lane


class BrokerAwayError(Exception):
    """Nothing could be published, so nothing is marked as published either."""


@app.task(name="tasks.publish_waiting_work", base=Sweep)
def publish_waiting_work() -> dict[str, int]:
    """Publish every overdue row, the oldest first, and bury the poisonous ones; returns how many by lane."""
    published = {}
    for lane in _lanes.values():
        _bury_poison(lane)
        published[lane.name] = _top_up(lane)
    if any(published.values()):
        log.info("sweep.published", **{lane: rows for lane, rows in published.items() if rows})
    return published


def _top_up(lane: Lane) -> int:
    room, wanted = FULL_QUEUE - publishing.queue_length(lane.queue), lane.wanted()
    room = room if wanted is None else min(room, wanted)
    if room <= 0:
        return 0
    try:
        with transaction() as session:
            rows = lane.table.due(session, limit=room)
            messages = lane.messages(session, rows) if rows else []
            _publish(messages)
    except BrokerAwayError:
        return 0
    return len(rows)


def _publish(messages: list[Message]) -> None:
    if not publishing.publish(messages):
        raise BrokerAwayError


def _bury_poison(lane: Lane) -> None:
    with transaction() as session:
        found = [(row_id, token, lane.task_of(session, row_id)) for row_id, token in lane.table.poisoned(session, limit=100)]
    for row_id, token, task in found:
        error = Poisonous(f"{MAX_CRASHES} attempts in a row ended without an outcome: each time the worker died or hung")
        bury_work(task, row_id, error, token=token)
