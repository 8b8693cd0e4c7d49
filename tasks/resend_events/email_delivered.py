"""``email.delivered``: the recipient's server took the mail."""

from __future__ import annotations

from sqlalchemy.orm import Session

from tasks.resend_events import Report, handles


@handles("email.delivered")
def note_delivered(session: Session, report: Report) -> None:
    report.note(session, "delivered")
