"""Stripe events that tests script: each says in its data what happens to the worker that processes it.

The worker of a test loads this module beside the product's own (``CELERY_WORKER_INCLUDE``), so the product has no test hooks.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy import text
from sqlalchemy.orm import Session

from models.schema import Json
from tasks.errors import PermanentFailure
from tasks.stripe_events import StripeEvent, handles


class RefusedByTest(PermanentFailure):
    """A failure for good whose class cannot be pickled, as errors with arguments of their own often cannot."""

    reason = "refused_by_test"

    def __init__(self, what: str, *, why: str) -> None:
        super().__init__(f"{what}: {why}")


class UnpicklableError(Exception):
    def __init__(self, *, number: int) -> None:
        super().__init__(f"number {number} is not accepted")


@handles("test.scripted")
def follow_the_script(session: Session, event: StripeEvent) -> None:
    """Write one line into the diary, then do what the script says until the file ``repaired`` exists."""
    diary = Path(event.object["diary"])
    with diary.open("a") as lines:
        lines.write(f"{event.id} {os.getpid()} {time.time()}\n")
    if not diary.with_name("repaired").exists():
        SCRIPTS[event.object["does"]](session, event.object)


def _succeed(_session: Session, _script: Json) -> None:
    """Nothing to do."""


def _fail(_session: Session, _script: Json) -> None:
    raise UnpicklableError(number=7)


def _refuse(_session: Session, _script: Json) -> None:
    raise RefusedByTest("the test", why="wants it")


def _refuse_late(session: Session, script: Json) -> None:
    time.sleep(script["seconds"])
    _refuse(session, script)


def _run_out_of_memory(_session: Session, _script: Json) -> None:
    raise MemoryError("no more")


def _take_time(_session: Session, script: Json) -> None:
    time.sleep(script["seconds"])


def _hear_no_soft_limit(_session: Session, script: Json) -> None:
    with suppress(SoftTimeLimitExceeded):
        time.sleep(script["seconds"])
    time.sleep(script["seconds"])


def _ask_slowly(session: Session, script: Json) -> None:
    session.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": script["seconds"]})


def _be_killed(_session: Session, _script: Json) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _leave(_session: Session, _script: Json) -> None:
    sys.exit(3)


SCRIPTS: dict[str, Callable[[Session, Json], None]] = {
    "succeeds": _succeed,
    "fails": _fail,
    "is refused": _refuse,
    "is refused after a while": _refuse_late,
    "runs out of memory": _run_out_of_memory,
    "takes time": _take_time,
    "hears no soft limit": _hear_no_soft_limit,
    "asks the database slowly": _ask_slowly,
    "kills its process": _be_killed,
    "leaves its process": _leave,
}
