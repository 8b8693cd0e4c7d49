"""``email.failed``: the provider took the mail and then could not send it, so a person must see that it reached nobody."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.orm import Session

from models.delivery_reports import fail_after_acceptance
from tasks.dead_letters import record_dead_work
from tasks.errors import PermanentFailure, RetryLater
from tasks.mail.sending import task_of
from tasks.resend_events import Report, handles


class FailedAtProvider(PermanentFailure):
    """The provider's 200 was not kept: the mail was never sent."""

    reason = "failed_at_provider"


class NotCommittedYet(RetryLater):
    """The report overtook our own note that the provider took the mail; after it, the row can be marked as failed."""


@handles("email.failed")
def take_to_the_dead_letters(session: Session, report: Report) -> None:
    """Make the notification ``failed`` with a failed operation; redriving it sends a new mail under a new idempotency key."""
    mail = report.mail
    if mail.current and mail.status in {"pending", "running"}:
        raise NotCommittedYet("the notification is still being sent", delay=timedelta(seconds=2))
    why = str(report.part("failed").get("reason") or "no reason was given")[:200]
    report.note(session, "failed", reason=why)
    error = FailedAtProvider(f"the provider took the mail and then could not send it: {why}")
    if mail.current and fail_after_acceptance(session, mail, error=f"{type(error).__name__}: {error}"):
        record_dead_work(session, task_of(mail.notification_type), mail.notification_id, error)
