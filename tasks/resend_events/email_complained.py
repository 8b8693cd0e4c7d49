"""``email.complained``: the reader called the mail spam, and gets no more."""

from __future__ import annotations

from sqlalchemy.orm import Session

from models.suppressions import suppress
from tasks.resend_events import Report, handles


@handles("email.complained")
def stop_mailing(session: Session, report: Report) -> None:
    report.note(session, "complained")
    suppress(session, report.mail.recipient_email, reason="complained", at=report.at, webhook_event_id=report.event_id)
