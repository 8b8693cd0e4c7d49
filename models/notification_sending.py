"""What an attempt at sending notifications reads and writes, for one as for a hundred; every write is fenced by the attempt's claim.

Plain SQL and few statements: this is the path that every mail takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from models.notifications import Notification, idempotency_key
from models.schema import Json
from models.work import ENDED, Claim
from models.work_in_sets import CLAIMS, HELD, of_claims

# Resend remembers an idempotency key for 24 hours; ten minutes of that are left for slow calls and for clocks that differ.
SAME_KEY_IS_SAFE = timedelta(hours=23, minutes=50)

SENDABLE = """
    n.id, n.notification_type, n.recipient_email, n.payload, n.send_generation, n.outcome_unknown_at,
    n.subject, n.html_body, n.text_body, n.sender, n.reply_to,
    (SELECT u.time_zone FROM users u WHERE u.id = n.user_id) AS time_zone,
    EXISTS (SELECT FROM suppressions s WHERE s.email = ANY (suppression_keys(n.recipient_email)) AND s.lifted_at IS NULL) AS suppressed
"""
READ = text(
    f"""
    SELECT {SENDABLE}, coalesce(n.outcome_unknown_at < now() - CAST(:safe AS interval), false) AS key_forgotten
    FROM {CLAIMS}) AS held (id, token) JOIN notifications n ON {HELD}
    """  # noqa: S608 - put together from this file alone
)
FREEZE = text(
    f"""
    UPDATE notifications n
    SET subject = coalesce(n.subject, held.subject), html_body = coalesce(n.html_body, held.html_body),
        text_body = coalesce(n.text_body, held.text_body), sender = coalesce(n.sender, held.sender),
        reply_to = coalesce(n.reply_to, held.reply_to),
        first_attempt_at = coalesce(first_attempt_at, now()), outcome_unknown_at = coalesce(outcome_unknown_at, now())
    FROM {CLAIMS}, CAST(:subjects AS text[]), CAST(:html_bodies AS text[]), CAST(:text_bodies AS text[]), CAST(:senders AS text[]),
              CAST(:reply_tos AS text[])) AS held (id, token, subject, html_body, text_body, sender, reply_to)
    WHERE {HELD} RETURNING n.id
    """  # noqa: S608
)
NOT_TAKEN = text(
    f"""
    UPDATE notifications n SET outcome_unknown_at = held.unknown_since
    FROM {CLAIMS}, CAST(:unknown_since AS timestamptz[])) AS held (id, token, unknown_since)
    WHERE {HELD} RETURNING n.id
    """  # noqa: S608
)
SENT = text(
    f"""
    WITH taken AS (
        UPDATE notifications n
        SET status = 'sent', finished_at = now(), {ENDED}, last_error = NULL,
            provider_message_id = held.message_id, sent_at = now(), outcome_unknown_at = NULL
        FROM {CLAIMS}, CAST(:message_ids AS text[]), CAST(:durations AS bigint[])) AS held (id, token, message_id, duration_ms)
        WHERE {HELD} RETURNING n.id, n.attempts, held.message_id, held.duration_ms
    ), logged AS (
        INSERT INTO notification_event_logs (notification_id, occurred_at, event, attempt, duration_ms, detail)
        SELECT taken.id, clock_timestamp() + line.place * interval '1 microsecond', line.event, taken.attempts, taken.duration_ms,
               CASE line.place WHEN 0 THEN CAST(:attempted AS jsonb) ELSE jsonb_build_object('provider_message_id', message_id) END
        FROM taken, (VALUES (0, 'attempted'), (1, 'sent')) AS line (place, event)
    )
    SELECT id FROM taken
    """  # noqa: S608
)


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Content:
    """What is sent, word for word, and from whom."""

    subject: str
    html_body: str
    text_body: str
    sender: str
    reply_to: str


class Taken(NamedTuple):
    """The provider took the mail of this claim, under this id."""

    claim: Claim
    message_id: str
    duration_ms: int


def read_for_sending(session: Session, claims: Sequence[Claim]) -> list[Sendable]:
    """The notifications that are still held, where their readers read times, and the reasons for not sending them."""
    return [Sendable(*row) for row in session.execute(READ, of_claims(claims) | {"safe": SAME_KEY_IS_SAFE})]


def freeze(session: Session, contents: Mapping[Claim, Content]) -> set[UUID]:
    """Before the call: fix what is sent, unless it is fixed, and count the outcome as unknown until there is a definite answer.

    A worker that is killed during the call leaves it so. Returns those that are still held.
    """
    columns = {
        "subjects": [content.subject for content in contents.values()],
        "html_bodies": [content.html_body for content in contents.values()],
        "text_bodies": [content.text_body for content in contents.values()],
        "senders": [content.sender for content in contents.values()],
        "reply_tos": [content.reply_to for content in contents.values()],
    }
    return set(session.execute(FREEZE, of_claims(list(contents)) | columns).scalars())


def note_not_taken(session: Session, unknown_since: Mapping[Claim, datetime | None]) -> set[UUID]:
    """The provider has not taken the mails in this attempt; what earlier attempts left unknown stays so."""
    values = of_claims(list(unknown_since)) | {"unknown_since": list(unknown_since.values())}
    return set(session.execute(NOT_TAKEN, values).scalars())


def finish_sent(session: Session, mails: Sequence[Taken], *, attempted: str = '{"outcome": "sent"}') -> set[UUID]:
    """The provider took the mails: end their rows, and say so in their logs, all in one statement; returns those still held."""
    values = {
        "message_ids": [mail.message_id for mail in mails],
        "durations": [mail.duration_ms for mail in mails],
        "attempted": attempted,
    }
    return set(session.execute(SENT, of_claims([mail.claim for mail in mails]) | values).scalars())


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
