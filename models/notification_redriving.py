"""What has to be known, and changed, about an email that a person sends on its way once more."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from models.notification_sending import SAME_KEY_IS_SAFE
from models.notifications import Notification


class FailedEmail(NamedTuple):
    """How an email failed: whether an attempt's outcome is unknown, and whether the provider has forgotten that attempt's key."""

    outcome_unknown: bool
    key_forgotten: bool


def read_failed_email(session: Session, notification_id: UUID) -> FailedEmail:
    """Raises ``NoResultFound`` if there is no such email."""
    unknown_since = Notification.outcome_unknown_at
    forgotten = func.coalesce(unknown_since < func.now() - SAME_KEY_IS_SAFE, False)
    query = select(unknown_since.is_not(None), forgotten).where(Notification.id == notification_id)
    return FailedEmail(*session.execute(query).one())


def start_afresh(session: Session, notification_id: UUID) -> None:
    """For an email that was certainly not taken: what was repaired since counts, so it is made anew and gets a key of its own."""
    session.execute(
        text(
            "UPDATE notifications SET send_generation = send_generation + 1,"
            " subject = NULL, html_body = NULL, text_body = NULL, sender = NULL, reply_to = NULL WHERE id = :id"
        ),
        {"id": notification_id},
    )
