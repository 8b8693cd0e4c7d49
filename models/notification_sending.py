"""What one attempt at sending a notification reads and writes; every write is fenced by the attempt's claim.

Plain SQL and few statements: this is the path that every mail takes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, func, select, text
from sqlalchemy.orm import Session

from models.notifications import Notification, idempotency_key
from models.schema import Json
from models.work import Claim, LeaseLostError

# Resend remembers an idempotency key for 24 hours; ten minutes of that are left for slow calls and for clocks that differ.
SAME_KEY_IS_SAFE = timedelta(hours=23, minutes=50)

HELD = "n.id = :id AND n.status = 'running' AND n.lease_token = :token"

READ = text(
    f"""
    SELECT n.id, n.notification_type, n.recipient_email, n.payload, n.send_generation, n.outcome_unknown_at,
           n.subject, n.html_body, n.text_body, n.sender, n.reply_to, u.time_zone,
           is_suppressed(n.recipient_email) AS suppressed,
           coalesce(n.outcome_unknown_at < now() - CAST(:safe AS interval), false) AS key_forgotten
    FROM notifications n LEFT JOIN users u ON u.id = n.user_id
    WHERE {HELD}
    """  # noqa: S608 - put together from this file alone
)
FREEZE = text(
    f"""
    UPDATE notifications n
    SET subject = :subject, html_body = :html_body, text_body = :text_body, sender = :sender, reply_to = :reply_to,
        first_attempt_at = coalesce(first_attempt_at, now()), outcome_unknown_at = coalesce(outcome_unknown_at, now())
    WHERE {HELD} RETURNING n.id
    """  # noqa: S608
)
TRY_AGAIN = text(f"UPDATE notifications n SET outcome_unknown_at = coalesce(outcome_unknown_at, now()) WHERE {HELD} RETURNING n.id")  # noqa: S608
NOT_TAKEN = text(f"UPDATE notifications n SET outcome_unknown_at = :unknown_since WHERE {HELD} RETURNING n.id")  # noqa: S608
SENT = text(
    f"""
    WITH taken AS (
        UPDATE notifications n SET provider_message_id = :message_id, sent_at = now(), outcome_unknown_at = NULL
        WHERE {HELD} RETURNING n.id
    )
    INSERT INTO notification_event_logs (notification_id, occurred_at, event, attempt, duration_ms, detail)
    SELECT taken.id, clock_timestamp() + line.place * interval '1 microsecond', line.event, :attempt, :duration_ms,
           CAST(line.detail AS jsonb)
    FROM taken,
         (VALUES (0, 'attempted', '{{"outcome": "sent"}}'), (1, 'sent', CAST(:detail AS text))) AS line (place, event, detail)
    RETURNING notification_id
    """  # noqa: S608
)


@dataclass(frozen=True)
class Sendable:
    """A claimed notification; ``key_forgotten`` if the provider may no longer know what an earlier attempt did."""

    id: UUID
    notification_type: str
    recipient_email: str
    payload: Json
    send_generation: int
    outcome_unknown_at: datetime | None
    subject: str | None
    html_body: str | None
    text_body: str | None
    sender: str | None
    reply_to: str | None
    time_zone: str | None
    suppressed: bool
    key_forgotten: bool

    @property
    def idempotency_key(self) -> str:
        return idempotency_key(self.id, self.send_generation)


def read_for_sending(session: Session, claim: Claim) -> Sendable:
    """The notification, where its reader reads times, and the reasons for not sending it."""
    row = session.execute(READ, {"id": claim.id, "token": claim.token, "safe": SAME_KEY_IS_SAFE}).one_or_none()
    if row is None:
        raise _lost(claim)
    return Sendable(*row)


def freeze(session: Session, claim: Claim, content: Mapping[str, str] | None) -> None:
    """Before the call: fix what is sent (None: it is fixed), and count the outcome as unknown until there is a definite answer.

    A worker that is killed during the call leaves it so.
    """
    _write(session, claim, TRY_AGAIN if content is None else FREEZE, **(content or {}))


def note_not_taken(session: Session, claim: Claim, *, unknown_since: datetime | None) -> None:
    """The provider has not taken the mail in this attempt; what earlier attempts left unknown stays so."""
    _write(session, claim, NOT_TAKEN, unknown_since=unknown_since)


def note_sent(session: Session, claim: Claim, provider_message_id: str, *, duration_ms: int) -> None:
    """The provider took the mail under this id; the log says so in the same statement."""
    detail = json.dumps({"provider_message_id": provider_message_id})
    _write(session, claim, SENT, message_id=provider_message_id, attempt=claim.attempts, duration_ms=duration_ms, detail=detail)


def allow_another_mail(session: Session, notification_id: UUID) -> None:
    """A person accepts that the mail may arrive twice: the next attempt uses a new key, under which nothing is unknown."""
    statement = text("UPDATE notifications SET send_generation = send_generation + 1, outcome_unknown_at = NULL WHERE id = :id")
    session.execute(statement, {"id": notification_id})


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


def _write(session: Session, claim: Claim, statement: TextClause, **values: Any) -> None:
    if session.execute(statement, {"id": claim.id, "token": claim.token, **values}).first() is None:
        raise _lost(claim)


def _lost(claim: Claim) -> LeaseLostError:
    return LeaseLostError(f"notification {claim.id}: lease {claim.token} was lost")
