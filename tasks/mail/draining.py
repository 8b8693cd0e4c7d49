"""When many mails wait, they leave here: in batches, or one by one at the same time, in runs of some seconds that start the next one.

A run takes the mails that wait longest straight from the table, so nothing is lost with its message: the sweep starts the drain again
while there is enough to do. At most ``PLACES`` runs go on at once over all workers. While other work waits, the first run takes every
other second, and the others end at once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import redis
import structlog
from kombu.exceptions import OperationalError
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from models.connection import transaction
from models.email_batches import EMAIL_BATCHES, JOINS_A_BATCH
from models.work import LeaseLostError
from models.work_in_sets import NEVER_CRASHED
from settings import get_settings
from tasks import publishing
from tasks.celery_app import app
from tasks.emails import urgent_kinds
from tasks.emails.enqueueing import QUEUE as SINGLE_MAILS
from tasks.envelope import Message
from tasks.errors import Deferred
from tasks.mail.batch_attempt import BatchAttempt
from tasks.mail.batch_forming import next_batch
from tasks.mail.batch_sending import QUEUE, send_email_batch
from tasks.mail.mail_provider import mails_wanted
from tasks.mail.provider_gate import gate
from tasks.mail.send_chunk import next_chunk
from tasks.mail.settling import settle
from tasks.recovery import Bulk, register_bulk
from tasks.webhook_messages import QUEUE as WEBHOOKS
from tasks.work_task import holder_of
from tasks.worker.hardening import HardenedTask

log = structlog.get_logger()

PLACES = 2
DRAIN_LOCK = 0x7264_6472
RUN_SECONDS = (5.0, 4.0)  # not the same, so that one goes on while the other begins anew
TURN_SECONDS = (1.0, 0.0)  # how long a run goes on while other work waits
LOOK_AGAIN_SECONDS = 0.2
BATCHES_AT_ONCE = 6  # in each run: while some are under way to the provider, others are made
CHUNKS_AT_ONCE = 2
CHUNK = 32
OTHER_WORK = (WEBHOOKS, SINGLE_MAILS)


class Drain:
    """One run in its place."""

    def __init__(self, place: int, *, holder: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._place = place
        self._holder = holder
        self._clock = clock
        self._started = self._looked_at = clock()
        self._size = get_settings().email_batch_size
        self._which = _which(self._size)
        self._stopped = False
        self.makes_room = False

    def run(self) -> bool:
        """Send until the time is up or nothing is left; True if more mails wait and may leave."""
        if self._has_to_stop() or (self._known_rate() is None and not self._step()):
            return False  # the first one goes alone, so that the provider can say how many it takes
        with ThreadPoolExecutor(self._width(), thread_name_prefix="drain") as threads:
            running = [threads.submit(self._work) for _ in range(self._width())]
            more = [work.result() for work in running]
        return any(more) and not self._stopped

    def _work(self) -> bool:
        while not self._stopped and not self.makes_room and self._clock() < self._started + RUN_SECONDS[self._place]:
            if not self._step():
                return False
        return True

    def _step(self) -> bool:
        """Send one batch or one chunk; False if nothing is due any more."""
        try:
            if self._clock() < self._looked_at + LOOK_AGAIN_SECONDS or not self._has_to_stop():
                return self._send_chunk() if self._size == 1 else self._send_batch()
        except Deferred as held_back:
            log.info("drain.held_back", error=type(held_back).__name__, seconds=round(held_back.delay.total_seconds(), 1))
            self._stopped = True
        except DBAPIError as away:
            log.warning("database.away", task=send_waiting_emails.name, error=type(away).__name__)
            self._stopped = True
        return True

    def _send_batch(self) -> bool:
        attempt = next_batch(which=self._which, size=self._size, holder=self._holder)
        if isinstance(attempt, BatchAttempt):
            try:
                attempt.run()
            except LeaseLostError:
                log.info("lease.lost", row_id=str(attempt.claim.id))
            except Exception as error:
                settle(send_email_batch, attempt.claim, error)
                if isinstance(error, Deferred):
                    raise
        return attempt is not None

    def _send_chunk(self) -> bool:
        chunk = next_chunk(which=self._which, size=CHUNK, holder=self._holder)
        held_back = chunk.run() if chunk else None
        if held_back is not None:
            raise held_back
        return chunk is not None

    def _has_to_stop(self) -> bool:
        self._looked_at = self._clock()
        self._stopped = self._stopped or mails_wanted() is not None
        my_turn = self._looked_at < self._started + TURN_SECONDS[self._place]
        self.makes_room = self.makes_room or (not my_turn and _others_wait())
        return self._stopped or self.makes_room

    def _width(self) -> int:
        """How many batches or chunks at once: not more than the provider takes in a second, or they wait for each other."""
        rate, most = self._known_rate(), CHUNKS_AT_ONCE if self._size == 1 else BATCHES_AT_ONCE
        return most if rate is None else max(1, min(most, round(rate)))

    def _known_rate(self) -> float | None:
        try:
            return gate().status().requests_per_second
        except redis.RedisError:
            return None


@app.task(name="tasks.send_waiting_emails", base=HardenedTask, bind=True, holds=(EMAIL_BATCHES,))
def send_waiting_emails(self: Any, place: str) -> str:
    """One run of the drain in this place, 0 to 1; returns ``more``, ``done``, or ``taken`` if another run has the place."""
    number = int(place)
    drain = Drain(number, holder=holder_of(self.request.id, self.request.hostname, os.getpid()))
    try:
        with _place(number) as free:
            more = free and drain.run()
    except DBAPIError as away:  # the sweep begins again when the database is back
        log.warning("database.away", task=self.name, error=type(away).__name__)
        return "away"
    if more and drain.makes_room:
        _go_on_later(number)
    elif more:
        publishing.publish([_message(number)])
    return "more" if more else "done" if free else "taken"


def _go_on_later(place: int) -> None:
    """The other work gets as much time as this run had; a place that had none is left to the sweep."""
    if TURN_SECONDS[place]:
        with suppress(OperationalError):
            send_waiting_emails.apply_async((str(place),), queue=QUEUE, countdown=TURN_SECONDS[place])


@contextmanager
def _place(number: int) -> Iterator[bool]:
    """Held by a transaction, so that it ends with the worker, whatever ends that."""
    with transaction() as session:
        yield bool(session.execute(select(func.pg_try_advisory_xact_lock(DRAIN_LOCK, number))).scalar_one())


def _others_wait() -> bool:
    """Whether other work waits for a worker."""
    try:
        return any(publishing.queue_length(queue) for queue in OTHER_WORK)
    except redis.RedisError:
        return True


def _message(place: int) -> Message:
    return Message(send_waiting_emails.name, (str(place),), QUEUE)


def _messages() -> list[Message]:
    """One for each place; none while some wait, since more would find the places taken."""
    return [] if publishing.queue_length(QUEUE) else [_message(place) for place in range(PLACES)]


def _in_bulk() -> Bulk:
    return Bulk(_which(get_settings().email_batch_size), _messages)


def _which(batch_size: int) -> str:
    """The condition for the rows that leave here; all others, urgent ones too, get a message of their own."""
    joined = NEVER_CRASHED if batch_size == 1 else JOINS_A_BATCH
    urgent = ", ".join(f"'{name}'" for name in urgent_kinds())  # names of the shelf hold nothing but letters, digits and underscores
    return f"{joined} AND notification_type NOT IN ({urgent})" if urgent else joined


register_bulk("emails", _in_bulk)
