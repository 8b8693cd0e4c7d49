"""``email.scheduled``: the provider will send the mail later."""

from __future__ import annotations

from sqlalchemy.orm import Session

from tasks.resend_events import Report, handles


@handles("email.scheduled")
def note_scheduled(session: Session, report: Report) -> None:
    report.note(session, "scheduled")
