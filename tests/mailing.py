"""Notifications for tests: claimed and sent in the test's own process, and what became of them."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from models.connection import transaction
from models.notification_event_logs import NotificationEventLog
from models.notifications import NOTIFICATIONS, Notification, load_notification
from models.work import Claim
from tasks.mail.send_attempt import SendAttempt


def claim(notification_id: UUID) -> Claim:
    """What a worker holds while it works on the row."""
    with transaction() as session:
        taken = NOTIFICATIONS.claim(session, notification_id, holder="test", lease=timedelta(seconds=30))
    assert taken is not None
    return taken


def attempt(notification_id: UUID) -> str:
    """One attempt as a worker makes it, without what Celery does about its errors."""
    return SendAttempt(claim(notification_id)).run()


def put_back(held: Claim) -> None:
    """As after an error, but due at once."""
    with transaction() as session:
        NOTIFICATIONS.retry_later(session, held, delay=timedelta(), error="test", grace=timedelta())


def row_of(notification_id: UUID) -> Notification:
    with transaction() as session:
        return load_notification(session, notification_id)


def log_of(notification_id: UUID) -> list[NotificationEventLog]:
    """Its timeline, the oldest first."""
    with transaction() as session:
        found = session.query(NotificationEventLog).filter_by(notification_id=notification_id)
        return found.order_by(NotificationEventLog.occurred_at).all()
