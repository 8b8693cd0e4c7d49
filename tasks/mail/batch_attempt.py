"""One attempt at one batch: the frozen request in one call, and what becomes of each of its mails.

A mail leaves its batch with a definite answer: sent under an id of its own, or certainly not taken, and then it goes on its own. While
it is not known whether the provider took the batch, nothing but the same request under the same key is sent.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from models.connection import transaction
from models.email_batches import (
    EMAIL_BATCHES,
    FrozenBatch,
    dissolve_batch,
    idempotency_key_of_batch,
    leave_batch,
    note_batch_not_taken,
    read_batch,
)
from models.notification_event_logs import write_log
from models.notification_sending import Taken, finish_sent
from models.notifications import NOTIFICATIONS
from models.work import Claim, LeaseLostError
from models.work_in_sets import Deferral, defer_all
from settings import get_settings
from tasks.errors import Deferred, OutcomeUnknown, PermanentFailure, RetryLater
from tasks.finishing import resolve_all
from tasks.mail import mail_provider
from tasks.mail.before_sending import TOO_LATE
from tasks.mail.mail_provider import BatchAnswer
from tasks.mail.resend_errors import NotTaken, RateLimited, RefusedByProvider
from tasks.mail.send_attempt import Clock, Failure

log = structlog.get_logger()

REFUSED_TRIES = 3  # after so many attempts that the provider certainly did not take, the mails go on their own
KEPT_TOGETHER = timedelta(minutes=1)  # a batch that has to wait longer is dissolved: until then its mails may change or be cancelled
PATIENCE_SECONDS = 4.0  # how long an attempt may ask again after 429s; with the gate's wait and the call still within a lease


class RefusedInBatch(RefusedByProvider):
    """The provider took the batch without this mail."""

    reason = "refused_in_batch"


class WayOut(NamedTuple):
    """How mails that were not taken leave their batch: when they are due, and whether they may join another."""

    delay: timedelta = timedelta()
    may_join_another: bool = False


class BatchAttempt:
    """The steps of one attempt at ``claim``; ``frozen`` is the batch if the caller has just frozen it."""

    def __init__(self, claim: Claim, frozen: FrozenBatch | None = None, *, clock: Clock = time.monotonic) -> None:
        self.claim = claim
        self._frozen = frozen
        self._clock = clock
        self._started = clock()
        self._handed_over = False

    def run(self) -> str:
        """``sent``, or ``dissolved`` if its mails go on without it; an error says what happens next with the whole batch."""
        batch = self._frozen or self._read()
        if batch.body is None:
            return self._dissolve(batch, OutcomeUnknown("a worker died before the batch was made"), WayOut())
        if batch.key_forgotten:
            raise OutcomeUnknown(TOO_LATE)
        try:
            answer = self._call(batch.body, len(batch.mails))
        except Exception as error:  # noqa: BLE001 - whatever it is, it says what becomes of these mails
            return self._go_on_after(batch, error)
        with transaction() as session:
            self._write_down(session, batch, answer)
        return "sent"

    def _read(self) -> FrozenBatch:
        with transaction() as session:
            return read_batch(session, self.claim)

    def _call(self, body: bytes, size: int) -> BatchAnswer:
        """Waits out a 429 here: a batch that went back for a second of waiting would lose five until the next sweep."""
        while True:
            mail_provider.await_turn()
            self._handed_over = True
            try:
                return mail_provider.send_batch(body, size, idempotency_key=idempotency_key_of_batch(self.claim.id))
            except RateLimited as limited:
                if self._clock() - self._started + limited.delay.total_seconds() > PATIENCE_SECONDS:
                    raise
                self._handed_over = False

    def _write_down(self, session: Session, batch: FrozenBatch, answer: BatchAnswer) -> None:
        if answer.message_ids:
            EMAIL_BATCHES.finish(session, self.claim, "sent")
        else:
            dissolve_batch(session, self.claim)
        duration_ms = self._duration_ms()
        held = {place: claim for place, claim in enumerate(batch.mails) if claim is not None}
        taken = [Taken(held[place], message_id, duration_ms) for place, message_id in answer.message_ids.items() if place in held]
        written = finish_sent(session, taken, attempted=json.dumps({"outcome": "sent", "batch_id": str(self.claim.id)}))
        resolve_all(session, [mail.claim for mail in taken], operation_type="email")
        refused = {held[place]: RefusedInBatch(why) for place, why in answer.refusals.items() if place in held}
        self._leave(session, refused, WayOut())
        if len(written) + len(refused) < len(batch.mails):
            log.error("batch.incomplete", batch_id=str(self.claim.id), mails=len(batch.mails), written=len(written), refused=len(refused))

    def _go_on_after(self, batch: FrozenBatch, error: Exception) -> str:
        certain = batch.unknown_since is None and (isinstance(error, NotTaken) or not self._handed_over)
        way_out = self._way_out(error) if certain else None
        if way_out is not None:
            return self._dissolve(batch, error, way_out)
        self._note(batch, error, certain=certain)
        if isinstance(error, PermanentFailure) and not isinstance(error, OutcomeUnknown):
            # Refused now, but an earlier attempt may have been taken: only its key protects, so the same batch is tried again.
            raise RetryLater(str(error), delay=timedelta()) from error
        raise error

    def _way_out(self, error: Exception) -> WayOut | None:
        if isinstance(error, Deferred):
            return WayOut(error.delay, may_join_another=True) if error.delay > KEPT_TOGETHER else None
        if isinstance(error, PermanentFailure) or self.claim.attempts >= REFUSED_TRIES:
            return WayOut()
        return None

    def _dissolve(self, batch: FrozenBatch, error: Exception, way_out: WayOut) -> str:
        """The provider has certainly taken none of these mails, so nothing binds them to each other any more."""
        with transaction() as session:
            dissolve_batch(session, self.claim, note=str(error))
            self._leave(session, dict.fromkeys(_held(batch), error), way_out)
        return "dissolved"

    def _leave(self, session: Session, mails: Mapping[Claim, Exception], way_out: WayOut) -> None:
        if not mails:
            return
        lease = timedelta(seconds=get_settings().lease_seconds)
        leave_batch(session, self.claim.id, list(mails), may_join_another=way_out.may_join_another, lease=lease)
        defer_all(NOTIFICATIONS, session, [Deferral(mail, way_out.delay, str(error)) for mail, error in mails.items()])
        write_log(session, *(self._failure(mail, error).as_line() for mail, error in mails.items()))

    def _note(self, batch: FrozenBatch, error: Exception, *, certain: bool) -> None:
        """Write down why the attempt failed; if the database is away the batch says it later, and its outcome stays unknown."""
        if isinstance(error, LeaseLostError):
            return
        try:
            with transaction() as session:
                if certain:
                    note_batch_not_taken(session, self.claim)
                write_log(session, *(self._failure(mail, error).as_line() for mail in _held(batch)))
        except DBAPIError as problem:
            log.warning("batch.unnoted", batch_id=str(self.claim.id), error=type(problem).__name__)

    def _failure(self, mail: Claim, error: Exception) -> Failure:
        return Failure(mail, error, self._duration_ms(), handed_over=self._handed_over)

    def _duration_ms(self) -> int:
        return round((self._clock() - self._started) * 1000)


def _held(batch: FrozenBatch) -> Sequence[Claim]:
    return [mail for mail in batch.mails if mail is not None]
