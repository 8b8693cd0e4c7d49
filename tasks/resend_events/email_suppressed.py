"""``email.suppressed``: the provider took the mail and did not send it, since the address bounced or complained before."""

from __future__ import annotations

from sqlalchemy.orm import Session

from models.suppressions import suppress
from tasks.resend_events import Report, handles


@handles("email.suppressed")
def suppress_here_too(session: Session, report: Report) -> None:
    """Keep our list as long as the provider's, so that later mails are not even tried."""
    report.note(session, "suppressed")
    suppress(session, report.mail.recipient_email, reason="suppressed", at=report.at, webhook_event_id=report.event_id)
