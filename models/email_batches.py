"""``email_batches``: mails that leave together in one call, whose request is frozen before it and sent under one idempotency key.

While a batch lives it holds its notifications: they are ``running`` with a lease of more than a day. Each leaves its batch as sent,
as certainly not taken (then it goes on its own, or may join another batch), or failed, where a person has to confirm another mail.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import LargeBinary, Uuid, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.notification_sending import SAME_KEY_IS_SAFE, SENDABLE, Sendable
from models.schema import CreatedAt, PrimaryKey, Table
from models.work import Claim, LeaseLostError, WorkRow, WorkTable
from models.work_in_sets import OVERDUE

EMAIL_BATCHES = WorkTable("email_batches")

# Longer than a batch may live: should its row ever be lost, the mails come back when nobody may repeat them without being asked.
MAILS_ARE_HELD = timedelta(hours=25)
COMPRESSION = 3  # a hundred mails of one kind become a hundredth of their size in 1.5 ms; higher levels only take longer

JOINS_A_BATCH = "status = 'pending' AND crashes = 0 AND batch_id IS NULL AND outcome_unknown_at IS NULL"

CLAIM = f"""
    WITH due AS MATERIALIZED (
        SELECT id FROM notifications
        WHERE status IN ('pending', 'running') AND {OVERDUE} AND {{which}} ORDER BY sweep_at LIMIT :limit FOR UPDATE SKIP LOCKED
    ), batch AS (
        INSERT INTO email_batches (notification_ids, status, attempts, crashes, lease_token, lease_holder, lease_expires_at, sweep_at)
        SELECT array_agg(id), 'running', 1, 1, 1, :holder, now() + :lease, now() + :lease FROM due HAVING count(*) > 0 RETURNING id
    ), n AS (
        UPDATE notifications SET status = 'running', attempts = attempts + 1, lease_token = lease_token + 1, batch_id = batch.id,
            lease_holder = 'batch ' || batch.id, lease_expires_at = now() + :held, sweep_at = now() + :held,
            first_attempt_at = coalesce(first_attempt_at, now()), outcome_unknown_at = now()
        FROM due, batch WHERE notifications.id = due.id RETURNING notifications.*
    )
    SELECT n.batch_id, n.lease_token, n.attempts, n.crashes, n.redrives, {SENDABLE}, false AS key_forgotten FROM n
"""  # noqa: S608 - put together from this file and its siblings alone
FREEZE = text(
    """
    UPDATE email_batches SET notification_ids = :ids, body = :body, outcome_unknown_at = now()
    WHERE id = :id AND status = 'running' AND lease_token = :token RETURNING id
    """
)
TRY_AGAIN = text(
    """
    UPDATE email_batches b SET outcome_unknown_at = coalesce(b.outcome_unknown_at, now()) FROM email_batches AS earlier
    WHERE b.id = :id AND b.status = 'running' AND b.lease_token = :token AND earlier.id = b.id
    RETURNING b.body, b.notification_ids, earlier.outcome_unknown_at,
              coalesce(earlier.outcome_unknown_at < now() - CAST(:safe AS interval), false)
    """
)
MEMBERS = text(
    """
    SELECT n.id, n.lease_token, n.attempts, n.crashes, n.redrives FROM unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS m (id, place)
    JOIN notifications n ON n.id = m.id WHERE CASE n.status WHEN 'running' THEN n.batch_id END = :id ORDER BY m.place
    """
)
LEAVE = text(
    """
    UPDATE notifications SET outcome_unknown_at = NULL, lease_expires_at = now() + :lease, sweep_at = now() + :lease,
        batch_id = CASE WHEN :may_join_another THEN NULL ELSE batch_id END
    WHERE id = ANY (:ids) AND CASE status WHEN 'running' THEN batch_id END = :id
    """
)


class EmailBatch(WorkRow, Table):
    """The frozen request of one batch; ``sent``, ``dissolved`` (its mails went on without it) or ``failed`` in the end."""

    __tablename__ = "email_batches"

    id: Mapped[PrimaryKey]
    notification_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    body: Mapped[bytes | None] = mapped_column(LargeBinary())
    outcome_unknown_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    erased_at: Mapped[datetime | None]


class ClaimedMail(NamedTuple):
    """A mail that was claimed for a batch."""

    claim: Claim
    row: Sendable


@dataclass(frozen=True)
class FrozenBatch:
    """What one attempt needs: the request (None: it was never made), its mails in order, and what earlier attempts left unknown."""

    body: bytes | None
    mails: Sequence[Claim | None]
    unknown_since: datetime | None
    key_forgotten: bool


def idempotency_key_of_batch(batch_id: UUID) -> str:
    """A batch is never sent under another key: what would need one goes on as single mails."""
    return f"redrive-batch/{batch_id}"


def claim_mails(session: Session, *, which: str, limit: int, holder: str, lease: timedelta) -> tuple[Claim, list[ClaimedMail]] | None:
    """Take the mails that wait longest for a new batch, whose first attempt is claimed with them; None if there are none.

    ``which`` is a condition that includes ``JOINS_A_BATCH``. A worker that dies before the batch is frozen leaves a batch without a
    request, whose mails then go on their own.
    """
    rows = session.execute(
        text(CLAIM.replace("{which}", which)), {"limit": limit, "holder": holder, "lease": lease, "held": MAILS_ARE_HELD}
    ).all()
    if not rows:
        return None
    mails = [ClaimedMail(Claim(row.id, *row[1:5]), Sendable(*row[5:])) for row in rows]
    return Claim(rows[0].batch_id, token=1, attempts=1, crashes=0, redrives=0), mails


def freeze_batch(session: Session, claim: Claim, mails: Sequence[UUID], body: bytes) -> None:
    """Before the first call: fix the request; its outcome counts as unknown until there is a definite answer."""
    values = {"id": claim.id, "token": claim.token, "ids": list(mails), "body": zlib.compress(body, COMPRESSION)}
    if session.execute(FREEZE, values).first() is None:
        raise _lost(claim)


def read_batch(session: Session, claim: Claim) -> FrozenBatch:
    """Before another call: the request as it was frozen."""
    row = session.execute(TRY_AGAIN, {"id": claim.id, "token": claim.token, "safe": SAME_KEY_IS_SAFE}).one_or_none()
    if row is None:
        raise _lost(claim)
    body, ids, unknown_since, forgotten = row
    held = {mail.id: mail for mail in mails_of(session, claim.id, ids)}
    return FrozenBatch(body and zlib.decompress(body), [held.get(mail) for mail in ids], unknown_since, forgotten)


def mails_of(session: Session, batch_id: UUID, notification_ids: Sequence[UUID]) -> list[Claim]:
    """Those of the notifications that the batch still holds."""
    return [Claim(*row) for row in session.execute(MEMBERS, {"id": batch_id, "ids": list(notification_ids)})]


def note_batch_not_taken(session: Session, claim: Claim) -> None:
    """The provider has taken none of the mails, neither in this attempt nor in an earlier one."""
    session.execute(text("UPDATE email_batches SET outcome_unknown_at = NULL WHERE id = :id AND lease_token = :token"), claim_values(claim))


def dissolve_batch(session: Session, claim: Claim, *, note: str | None = None) -> None:
    """End a batch of which the provider took nothing: its mails go on without it, and nobody needs its request any more."""
    EMAIL_BATCHES.finish(session, claim, "dissolved", note=note)
    session.execute(text("UPDATE email_batches SET body = NULL WHERE id = :id"), {"id": claim.id})


def leave_batch(session: Session, batch_id: UUID, mails: Sequence[Claim], *, may_join_another: bool, lease: timedelta) -> None:
    """These were certainly not taken; from now on each is held by its own claim, whose next outcome the caller writes."""
    values = {"id": batch_id, "ids": [mail.id for mail in mails], "may_join_another": may_join_another, "lease": lease}
    session.execute(LEAVE, values)


def claim_values(claim: Claim) -> dict[str, Any]:
    return {"id": claim.id, "token": claim.token}


def mail_in_batch(session: Session, notification_id: UUID, batch_id: UUID) -> dict[str, Any] | None:
    """The mail word for word, as the provider got it; None if its batch never had it, or it has been erased."""
    row = session.execute(select(EmailBatch.body, EmailBatch.notification_ids).where(EmailBatch.id == batch_id)).one_or_none()
    if row is None or row.body is None or notification_id not in row.notification_ids:
        return None
    mail: dict[str, Any] = json.loads(zlib.decompress(row.body))[row.notification_ids.index(notification_id)]
    return mail


def _lost(claim: Claim) -> LeaseLostError:
    return LeaseLostError(f"batch {claim.id}: lease {claim.token} was lost")
