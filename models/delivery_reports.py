"""What the provider reports about a mail after it took it, written to the notification whatever the order it arrives in.

``delivery_status`` is the furthest report so far in the order of ``FURTHER``; a late report of something earlier only adds a line to
the log. The bad ends stand last, since a mail that was delivered can still bounce or be complained about, but not the other way
round; a transient bounce stands before ``delivered``, since it is often an automatic reply to a mail that arrived.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, NamedTuple, get_args
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from models.notification_event_logs import NotificationEventLog
from models.notifications import NOTIFICATIONS, Notification

DeliveryStatus = Literal[
    "scheduled",
    "sent",
    "delivery_delayed",
    "soft_bounced",
    "delivered",
    "opened",
    "clicked",
    "failed",
    "suppressed",
    "bounced",
    "complained",
]
FURTHER: tuple[DeliveryStatus, ...] = get_args(DeliveryStatus)


class ReportedMail(NamedTuple):
    """The notification that a report is about; ``current`` is False for a mail that another one has replaced since."""

    notification_id: UUID
    notification_type: str
    recipient_email: str
    status: str
    current: bool


def find_mail(session: Session, *, provider_message_id: str, notification_id: UUID | None) -> ReportedMail | None:
    """The notification of this mail, locked: by the provider's id, or by our tag where that id is not committed yet."""
    row = Notification
    query = select(row.id, row.notification_type, row.recipient_email, row.status, row.provider_message_id).with_for_update()
    found = session.execute(query.where(row.provider_message_id == provider_message_id)).first()
    if found is None and notification_id is not None:
        found = session.execute(query.where(row.id == notification_id)).first()
    if found is None:
        return None
    return ReportedMail(*found[:4], current=found[4] in {None, provider_message_id})


def note_report(
    session: Session,
    mail: ReportedMail,
    status: DeliveryStatus,
    *,
    provider_message_id: str,
    at: datetime,
    event: str,
    detail: Mapping[str, object],
) -> None:
    """Move the notification on if this report goes further, and add a line to its log in any case."""
    earlier = FURTHER[: FURTHER.index(status)]
    row = Notification
    if mail.current:
        session.execute(
            update(row)
            .where(row.id == mail.notification_id, row.delivery_status.is_(None) | row.delivery_status.in_(earlier))
            .values(delivery_status=status, delivery_status_at=at, provider_message_id=provider_message_id),
            execution_options={"synchronize_session": False},
        )
    told = {**detail} if mail.current else {**detail, "earlier_mail": provider_message_id}
    session.execute(
        insert(NotificationEventLog).values(notification_id=mail.notification_id, event=event, occurred_at=at, actor="resend", detail=told)
    )


def fail_after_acceptance(session: Session, mail: ReportedMail, *, error: str) -> bool:
    """The provider took the mail and did not send it: the notification has failed, and its next attempt is a new mail."""
    if not NOTIFICATIONS.fail_afterwards(session, mail.notification_id, ended_as="sent", error=error):
        return False
    session.execute(
        update(Notification)
        .where(Notification.id == mail.notification_id)
        .values(send_generation=Notification.send_generation + 1, outcome_unknown_at=None),
        execution_options={"synchronize_session": False},
    )
    return True
