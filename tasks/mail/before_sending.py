"""What is looked at before mails leave, one or a hundred: may they, must they wait, and what do they say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

from sqlalchemy.orm import Session

from models.notification_event_logs import LogLine, write_log
from models.notification_sending import Content, Sendable, count_waiting_for
from models.notifications import NOTIFICATIONS
from models.work import Claim
from models.work_in_sets import Ending, finish_all
from settings import get_settings
from tasks.emails import kind_of
from tasks.emails.last_check import Leaving, no_longer_wanted
from tasks.emails.rendering import render
from tasks.errors import OutcomeUnknown
from tasks.finishing import resolve_all
from tasks.mail.mail_provider import Mail
from tasks.mail.recipient_limit import recipient_limit

TOO_LATE = (
    "This mail may already have been sent: an attempt more than 24 hours ago has no known outcome, and the provider no longer"
    " remembers its idempotency key. Look for it at the provider, then confirm that it shall be sent again, or resolve it."
)


@dataclass
class Prepared:
    """``ready`` to be frozen and sent; ``unwanted`` with a last status and the reason; ``held`` back by an error, which says what next."""

    ready: list[tuple[Sendable, Content]] = field(default_factory=list)
    unwanted: dict[UUID, tuple[str, str]] = field(default_factory=dict)
    held: dict[UUID, Exception] = field(default_factory=dict)


def prepare(session: Session, rows: Sequence[Sendable]) -> Prepared:
    """Look at the mails in the transaction that then freezes the ready ones and ends the unwanted ones."""
    found = Prepared()
    for row in rows:
        if row.suppressed:
            found.unwanted[row.id] = ("suppressed", "the address bounced for good or complained")
    dropped = no_longer_wanted(session, [Leaving(row.id, row.notification_type) for row in _left(rows, found)])
    found.unwanted.update({row_id: ("dropped", why) for row_id, why in dropped.items()})
    found.held.update({row.id: OutcomeUnknown(TOO_LATE) for row in _left(rows, found) if row.key_forgotten})
    left = _left(rows, found)
    limited = recipient_limit().take([row.recipient_email for row in left], waiting=partial(count_waiting_for, session))
    found.held.update({left[place].id: limit for place, limit in limited.items()})
    for row in _left(rows, found):
        try:
            found.ready.append((row, frozen_content(row) or _rendered(row)))
        except Exception as error:  # noqa: BLE001 - a mail that cannot be made must not keep the others
            found.held[row.id] = error
    return found


def end_unwanted(session: Session, claims: Iterable[Claim], prepared: Prepared) -> None:
    """Finish the rows of the mails that must not be sent, and say why in their logs."""
    unwanted = [(claim, *prepared.unwanted[claim.id]) for claim in claims if claim.id in prepared.unwanted]
    for status in {status for _, status, _ in unwanted}:
        endings = [Ending(claim, f"not sent: {why}") for claim, ends_as, why in unwanted if ends_as == status]
        finish_all(NOTIFICATIONS, session, endings, status)
    resolve_all(session, [claim for claim, _, _ in unwanted], operation_type="email")
    if unwanted:
        write_log(session, *(LogLine(claim.id, status, attempt=claim.attempts, detail={"why": why}) for claim, status, why in unwanted))


def as_mail(row: Sendable, content: Content) -> Mail:
    """The mail as the provider gets it."""
    return Mail(
        reference=str(row.id),
        kind=row.notification_type,
        idempotency_key=row.idempotency_key,
        recipient=row.recipient_email,
        sender=content.sender,
        reply_to=content.reply_to,
        subject=content.subject,
        html=content.html_body,
        text=content.text_body,
    )


def frozen_content(row: Sendable) -> Content | None:
    """What an earlier attempt fixed; None at the first attempt."""
    subject, html_body, text_body, sender, reply_to = row.subject, row.html_body, row.text_body, row.sender, row.reply_to
    if subject is None or html_body is None or text_body is None or sender is None or reply_to is None:
        return None
    return Content(subject, html_body, text_body, sender, reply_to)


def _rendered(row: Sendable) -> Content:
    kind = kind_of(row.notification_type)
    settings = get_settings()
    mail = render(kind, kind.parameters.read(kind.name, row.payload, strict=False), settings, time_zone=row.time_zone or "UTC")
    return Content(mail.subject, mail.html, mail.text, settings.email_from, settings.support_email)


def _left(rows: Sequence[Sendable], found: Prepared) -> list[Sendable]:
    return [row for row in rows if row.id not in found.unwanted and row.id not in found.held]
