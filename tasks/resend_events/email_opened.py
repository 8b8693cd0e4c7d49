"""``email.opened``: somebody, or a program that looks at mails for somebody, opened the mail."""

from __future__ import annotations

from sqlalchemy.orm import Session

from tasks.resend_events import Report, handles


@handles("email.opened")
def note_opened(session: Session, report: Report) -> None:
    report.note(session, "opened")
