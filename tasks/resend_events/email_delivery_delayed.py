"""``email.delivery_delayed``: the recipient's server did not take the mail yet; the provider goes on trying."""

from __future__ import annotations

from sqlalchemy.orm import Session

from tasks.resend_events import Report, handles


@handles("email.delivery_delayed")
def note_delivery_delayed(session: Session, report: Report) -> None:
    report.note(session, "delivery_delayed")
