"""One attempt at sending one notification: freeze what is sent, hand it over with no transaction open, write down what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from functools import partial

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from models.connection import transaction
from models.notification_event_logs import LogLine, write_log
from models.notification_sending import Sendable, count_waiting_for, freeze, note_not_taken, note_sent, read_for_sending
from models.notifications import NOTIFICATIONS
from models.work import Claim, LeaseLostError
from settings import get_settings
from tasks import mail_provider
from tasks.emails import kind_of
from tasks.emails.last_check import Leaving, no_longer_wanted
from tasks.emails.rendering import render
from tasks.errors import Deferred, OutcomeUnknown, RedriveError
from tasks.finishing import finish
from tasks.mail_provider import Mail
from tasks.recipient_limit import recipient_limit
from tasks.resend_errors import NotTaken

log = structlog.get_logger()

TOO_LATE = (
    "This mail may already have been sent: an attempt more than 24 hours ago has no known outcome, and the provider no longer"
    " remembers its idempotency key. Look for it at the provider, then confirm that it shall be sent again, or resolve it."
)


class SendAttempt:
    """The steps of one attempt; ``clock`` measures how long it takes."""

    def __init__(self, claim: Claim, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._claim = claim
        self._clock = clock
        self._started = clock()
        self._unknown_since: datetime | None = None  # what earlier attempts left unknown
        self._frozen = self._handed_over = False

    def run(self) -> str:
        """``sent``, ``suppressed`` or ``dropped``; an error says what happens next, and stands in the notification's log."""
        try:
            mail = self._prepare()
            if isinstance(mail, str):
                return mail
            mail_provider.await_turn()
            self._handed_over = True
            message_id = mail_provider.send(mail)
        except LeaseLostError:
            raise
        except Exception as error:
            self._note(error)
            raise
        with transaction() as session:
            self._note_sent(session, message_id)
        return "sent"

    def _prepare(self) -> Mail | str:
        """The frozen mail, committed before the call; the row's last status if it must not be sent."""
        with transaction() as session:
            row = read_for_sending(session, self._claim)
            self._unknown_since = row.outcome_unknown_at
            if row.suppressed:
                return self._end_unsent(session, "suppressed", "the address bounced for good or complained")
            if reason := no_longer_wanted(session, [Leaving(row.id, row.notification_type)]).get(row.id):
                return self._end_unsent(session, "dropped", reason)
            if row.key_forgotten:
                raise OutcomeUnknown(TOO_LATE)
            recipient_limit().take(row.recipient_email, waiting=partial(count_waiting_for, session, row.recipient_email))
            frozen = _frozen(row)
            content = frozen or _rendered(row)
            freeze(session, self._claim, None if frozen else content)
        self._frozen = True
        return Mail(
            reference=str(row.id),
            kind=row.notification_type,
            idempotency_key=row.idempotency_key,
            recipient=row.recipient_email,
            sender=content["sender"],
            reply_to=content["reply_to"],
            subject=content["subject"],
            html=content["html_body"],
            text=content["text_body"],
        )

    def _end_unsent(self, session: Session, status: str, reason: str) -> str:
        finish(session, NOTIFICATIONS, self._claim, status, operation_type="email", note=f"not sent: {reason}")
        write_log(session, LogLine(self._claim.id, status, attempt=self._claim.attempts, detail={"why": reason}))
        return status

    def _note_sent(self, session: Session, message_id: str) -> None:
        note_sent(session, self._claim, message_id, duration_ms=self._duration_ms())
        finish(session, NOTIFICATIONS, self._claim, "sent", operation_type="email")

    def _note(self, error: Exception) -> None:
        """Write down why the attempt failed; if the database is away the row says it later, and the outcome stays unknown."""
        try:
            with transaction() as session:
                if self._frozen and self._not_taken(error):
                    note_not_taken(session, self._claim, unknown_since=self._unknown_since)
                write_log(session, self._failure(error))
        except (DBAPIError, LeaseLostError) as problem:
            log.warning("email.unnoted", row_id=str(self._claim.id), error=type(problem).__name__)

    def _failure(self, error: Exception) -> LogLine:
        if isinstance(error, Deferred):
            return self._line("deferred", why=str(error), seconds=round(error.delay.total_seconds()))
        outcome = "failed" if self._not_taken(error) else "unknown"
        said = {"message": str(error)[:500]} if isinstance(error, RedriveError) else {}
        return self._line("attempted", outcome=outcome, error=type(error).__name__, **said)

    def _not_taken(self, error: Exception) -> bool:
        return isinstance(error, NotTaken) or not self._handed_over

    def _line(self, event: str, **detail: object) -> LogLine:
        return LogLine(self._claim.id, event, attempt=self._claim.attempts, duration_ms=self._duration_ms(), detail=detail)

    def _duration_ms(self) -> int:
        return round((self._clock() - self._started) * 1000)


def _frozen(row: Sendable) -> dict[str, str] | None:
    """What an earlier attempt fixed; None at the first attempt."""
    names = ("subject", "html_body", "text_body", "sender", "reply_to")
    values = {name: getattr(row, name) for name in names}
    return None if None in values.values() else values


def _rendered(row: Sendable) -> dict[str, str]:
    kind = kind_of(row.notification_type)
    settings = get_settings()
    mail = render(kind, kind.parameters.read(kind.name, row.payload, strict=False), settings, time_zone=row.time_zone or "UTC")
    bodies = {"subject": mail.subject, "html_body": mail.html, "text_body": mail.text}
    return {**bodies, "sender": settings.email_from, "reply_to": settings.support_email}
