"""``email.sent``: the provider begins to deliver the mail; the log says ``confirmed``, since ``sent`` is our own line."""

from __future__ import annotations

from sqlalchemy.orm import Session

from tasks.resend_events import Report, handles


@handles("email.sent")
def note_confirmed(session: Session, report: Report) -> None:
    report.note(session, "sent", event="confirmed")
