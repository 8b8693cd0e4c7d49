"""What one attempt at sending a notification reads and writes; every write is fenced by the attempt's claim."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, text, update
from sqlalchemy.orm import Session

from models.notifications import Notification
from models.suppressions import suppressed
from models.users import User
from models.work import Claim, LeaseLostError

# Resend remembers an idempotency key for 24 hours; ten minutes of that are left for slow calls and for clocks that differ.
SAME_KEY_IS_SAFE = timedelta(hours=23, minutes=50)


class Sendable(NamedTuple):
    """The notification, where its reader reads times, and the two reasons for not sending it."""

    notification: Notification
    time_zone: str | None
    suppressed: bool
    key_forgotten: bool


def read_for_sending(session: Session, claim: Claim) -> Sendable:
    """The claimed notification; ``key_forgotten`` if the provider may no longer know what an earlier attempt did."""
    forgotten = func.coalesce(Notification.outcome_unknown_at < func.now() - SAME_KEY_IS_SAFE, False)
    query = select(Notification, User.time_zone, suppressed(Notification.recipient_email), forgotten)
    row = session.execute(query.outerjoin(User, User.id == Notification.user_id).where(*_held(claim))).one_or_none()
    if row is None:
        raise LeaseLostError(f"notification {claim.id}: lease {claim.token} was lost")
    return Sendable(*row)


def freeze(session: Session, claim: Claim, content: Mapping[str, str | None]) -> None:
    """Before the call: fix what is sent, and count the outcome as unknown until there is a definite answer.

    A worker that is killed during the call leaves it so.
    """
    fixed = {name: func.coalesce(getattr(Notification, name), value) for name, value in content.items()}
    _write(
        session,
        claim,
        **fixed,
        first_attempt_at=func.coalesce(Notification.first_attempt_at, func.now()),
        outcome_unknown_at=func.coalesce(Notification.outcome_unknown_at, func.now()),
    )


def note_not_taken(session: Session, claim: Claim, *, unknown_since: datetime | None) -> None:
    """The provider has not taken the mail in this attempt; what earlier attempts left unknown stays so."""
    _write(session, claim, outcome_unknown_at=unknown_since)


def note_sent(session: Session, claim: Claim, provider_message_id: str) -> None:
    """The provider took the mail under this id."""
    _write(session, claim, provider_message_id=provider_message_id, sent_at=func.now(), outcome_unknown_at=None)


def allow_another_mail(session: Session, notification_id: UUID) -> None:
    """A person accepts that the mail may arrive twice: the next attempt uses a new key, under which nothing is unknown."""
    session.execute(
        update(Notification)
        .where(Notification.id == notification_id)
        .values(send_generation=Notification.send_generation + 1, outcome_unknown_at=None)
    )


def count_waiting_for(session: Session, recipient_email: str) -> int:
    """How many mails to this address wait for a moment within the next hour."""
    mine = func.lower(Notification.recipient_email) == func.lower(recipient_email)
    recent = Notification.created_at > func.now() - timedelta(days=1)  # what is older hardly matters, and the index ends here
    soon = Notification.next_attempt_at.between(func.now(), func.now() + timedelta(hours=1))
    query = select(func.count()).where(mine, recent, soon, Notification.status == text("'pending'"))
    return session.execute(query).scalar_one()


def kinds_of(session: Session, notification_ids: list[UUID]) -> dict[UUID, str]:
    """The kind of each of these notifications."""
    rows = session.execute(select(Notification.id, Notification.notification_type).where(Notification.id.in_(notification_ids)))
    return {row.id: row.notification_type for row in rows}


def _held(claim: Claim) -> tuple[ColumnElement[bool], ...]:
    return Notification.id == claim.id, Notification.status == text("'running'"), Notification.lease_token == claim.token


def _write(session: Session, claim: Claim, **values: object) -> None:
    statement = update(Notification).where(*_held(claim)).values(**values).returning(Notification.id)
    if session.execute(statement, execution_options={"synchronize_session": False}).one_or_none() is None:
        raise LeaseLostError(f"notification {claim.id}: lease {claim.token} was lost")
