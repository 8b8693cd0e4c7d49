"""``email.clicked``: somebody, or a program, followed a link; which one is not kept, since links can be keys."""

from __future__ import annotations

from sqlalchemy.orm import Session

from tasks.resend_events import Report, handles


@handles("email.clicked")
def note_clicked(session: Session, report: Report) -> None:
    report.note(session, "clicked")
