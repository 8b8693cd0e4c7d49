"""Whether a claimed reminder is still right: its event was not cancelled, not moved, and has not begun."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Text, case, cast, delete, exists, func, null, select
from sqlalchemy.orm import Session

from models.due_reminders import DueReminders
from models.reminders_sent import ReminderSent


class ClaimedReminder(NamedTuple):
    """A claim and the name of the source that it was made for."""

    id: UUID
    source: str


def claims_among(session: Session, notification_ids: Sequence[UUID]) -> list[ClaimedReminder]:
    """Those of the notifications that belong to a claim."""
    source = ReminderSent.entity_type + " " + ReminderSent.reminder_type
    rows = session.execute(select(ReminderSent.id, source).where(ReminderSent.id.in_(notification_ids)))
    return [ClaimedReminder(*row) for row in rows]


def no_longer_due(session: Session, reminders: DueReminders, claim_ids: Sequence[UUID], *, late_limit: timedelta) -> dict[UUID, str]:
    """The claims whose reminder must not leave any more, each with the reason, found by running the source's query again."""
    rows, claim = reminders.due.subquery("source"), ReminderSent
    scheduled = exists().where(rows.c.entity_id == claim.entity_id, rows.c.user_id == claim.user_id)
    reason = case(
        (claim.occurrence <= func.now(), "it has begun"),
        (claim.occurrence - reminders.lead + late_limit < func.now(), "too late to be of use"),
        (scheduled.where(rows.c.scheduled_at == claim.occurrence), null()),
        (scheduled, "it was moved"),
        else_="it was cancelled",
    )
    found = select(claim.id, cast(reason, Text).label("reason")).where(claim.id.in_(claim_ids)).subquery()
    return {row.id: row.reason for row in session.execute(select(found).where(found.c.reason.is_not(None)))}


def release_claims(session: Session, claim_ids: Sequence[UUID]) -> None:
    """Undo these claims, so that a meeting which is moved back can be reminded of after all."""
    if claim_ids:
        session.execute(delete(ReminderSent).where(ReminderSent.id.in_(claim_ids)))
