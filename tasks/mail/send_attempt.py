"""One attempt at sending notifications: freeze what is sent, hand it over with no transaction open, write down what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from models.connection import transaction
from models.notification_event_logs import LogLine, write_log
from models.notification_sending import Content, Sendable, Taken, finish_sent, freeze, note_not_taken, read_for_sending
from models.work import Claim, LeaseLostError
from tasks.errors import Deferred, RedriveError
from tasks.finishing import resolve_all
from tasks.mail import mail_provider
from tasks.mail.before_sending import as_mail, end_unwanted, prepare
from tasks.mail.mail_provider import Mail
from tasks.mail.resend_errors import NotTaken

log = structlog.get_logger()

Clock = Callable[[], float]
Found = TypeVar("Found", bound=Collection[object])


@dataclass(frozen=True)
class Failure:
    """Why one mail did not leave; ``unknown_since`` is what earlier attempts left unknown, ``frozen`` whether this one may add to it."""

    claim: Claim
    error: Exception
    duration_ms: int
    frozen: bool = False
    handed_over: bool = False
    unknown_since: datetime | None = None

    @property
    def not_taken(self) -> bool:
        return isinstance(self.error, NotTaken) or not self.handed_over

    def as_line(self) -> LogLine:
        """How the notification's log tells it."""
        if isinstance(self.error, Deferred):
            return self._line("deferred", why=str(self.error), seconds=round(self.error.delay.total_seconds()))
        outcome = "failed" if self.not_taken else "unknown"
        said = {"message": str(self.error)[:500]} if isinstance(self.error, RedriveError) else {}
        return self._line("attempted", outcome=outcome, error=type(self.error).__name__, **said)

    def _line(self, event: str, **detail: object) -> LogLine:
        return LogLine(self.claim.id, event, attempt=self.claim.attempts, duration_ms=self.duration_ms, detail=detail)


class SendAttempt:
    """The steps of one attempt at one mail; ``clock`` measures how long it takes."""

    def __init__(self, claim: Claim, *, clock: Clock = time.monotonic) -> None:
        self._claim = claim
        self._clock = clock
        self._started = clock()

    def run(self) -> str:
        """``sent``, ``suppressed`` or ``dropped``; an error says what happens next, and stands in the notification's log."""
        try:
            prepared = self._prepare()
        except LeaseLostError:
            raise
        except Exception as error:
            note_failures([Failure(self._claim, error, self._duration_ms())])
            raise
        if isinstance(prepared, str):
            return prepared
        outcome = hand_over(self._claim, *prepared, clock=self._clock, started=self._started)
        if isinstance(outcome, Failure):
            note_failures([outcome])
            raise outcome.error
        with transaction() as session:
            self._note_sent(session, outcome)
        return "sent"

    def _prepare(self) -> tuple[Sendable, Content] | str:
        """The frozen mail, committed before the call; the row's last status if it must not be sent."""
        with transaction() as session:
            found = prepare(session, _held(self._claim, read_for_sending(session, [self._claim])))
            if found.unwanted:
                end_unwanted(session, [self._claim], found)
                return found.unwanted[self._claim.id][0]
            for error in found.held.values():
                raise error
            [(row, content)] = found.ready
            _held(self._claim, freeze(session, {self._claim: content}))
        return row, content

    def _note_sent(self, session: Session, mail: Taken) -> None:
        _held(self._claim, finish_sent(session, [mail]))
        resolve_all(session, [self._claim], operation_type="email")

    def _duration_ms(self) -> int:
        return round((self._clock() - self._started) * 1000)


def hand_over(claim: Claim, row: Sendable, content: Content, *, clock: Clock, started: float) -> Taken | Failure:
    """Give the frozen mail to the provider when it is its turn; never raises an error of this one mail."""
    handed_over = False
    try:
        mail: Mail = as_mail(row, content)
        mail_provider.await_turn()
        handed_over = True
        return Taken(claim, mail_provider.send(mail), round((clock() - started) * 1000))
    except Exception as error:  # noqa: BLE001 - whatever it is, it says what becomes of this mail
        duration_ms = round((clock() - started) * 1000)
        return Failure(claim, error, duration_ms, frozen=True, handed_over=handed_over, unknown_since=row.outcome_unknown_at)


def note_failures(failures: Sequence[Failure]) -> None:
    """Write down why attempts failed; if the database is away the rows say it later, and the outcomes stay unknown."""
    try:
        with transaction() as session:
            settled = {failure.claim: failure.unknown_since for failure in failures if failure.frozen and failure.not_taken}
            if settled:
                note_not_taken(session, settled)
            write_log(session, *(failure.as_line() for failure in failures))
    except DBAPIError as problem:
        log.warning("email.unnoted", row_ids=[str(failure.claim.id) for failure in failures], error=type(problem).__name__)


def _held(claim: Claim, found: Found) -> Found:
    """``found``, unless nothing was: then another worker has claimed the row since."""
    if not found:
        raise LeaseLostError(f"notification {claim.id}: lease {claim.token} was lost")
    return found
