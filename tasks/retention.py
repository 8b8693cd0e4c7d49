"""``remove_old_data``: every night, personal data of finished work go after ``PERSONAL_DATA_DAYS`` and whole rows after ``ROW_DAYS``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial

import structlog
from sqlalchemy.orm import Session

from models.connection import transaction
from models.retention import BATCH, TABLES, delete_batch, erase_batch
from settings import get_settings
from tasks.celery_app import app
from tasks.envelope import Message
from tasks.publishing import publish
from tasks.sweep import Sweep

log = structlog.get_logger()

NAME = "tasks.remove_old_data"
SECONDS_AT_ONCE = 15.0  # of a worker's slot; then the rest goes on in a message of its own, behind whatever else waits

Step = tuple[str, Callable[[Session], int]]


@app.task(name=NAME, base=Sweep)
def remove_old_data() -> dict[str, int]:
    """Remove in small batches, each its own transaction; returns how many rows were changed by what was done to them."""
    removed, done = remove_for(seconds=SECONDS_AT_ONCE)
    log.info("data.removed", done=done, **removed)
    if not done:
        publish([Message(NAME, (), "sweeps")])
    return removed


def remove_for(*, seconds: float, batch: int = BATCH, clock: Callable[[], float] = time.monotonic) -> tuple[dict[str, int], bool]:
    """Work for about so long; returns what was removed, and whether that was all there is."""
    until, removed = clock() + seconds, {}
    for name, step in _steps(batch):
        removed[name] = 0
        while True:
            if clock() > until:
                return removed, False
            with transaction() as session:
                count = step(session)
            removed[name] += count
            if count < batch:
                break
    return removed, True


def _steps(batch: int) -> Iterator[Step]:
    settings = get_settings()
    row_age, data_age = timedelta(days=settings.row_days), timedelta(days=settings.personal_data_days)
    for kept in TABLES:
        yield f"{kept.table}_deleted", partial(delete_batch, kept=kept, older_than=row_age, limit=batch)
        yield f"{kept.table}_erased", partial(erase_batch, kept=kept, older_than=data_age, limit=batch)
