"""``email.bounced``: the recipient's server refused the mail; for good only if the bounce says ``Permanent``."""

from __future__ import annotations

import re

from sqlalchemy.orm import Session

from models.suppressions import suppress
from tasks.resend_events import Report, handles

ADDRESS = re.compile(r"[^\s<>]+@[^\s<>]+")
LONGEST_DIAGNOSIS = 300


@handles("email.bounced")
def take_note_of_bounce(session: Session, report: Report) -> None:
    """Suppress the address after a permanent bounce; a full mailbox or an automatic reply says nothing about the next mail."""
    bounce = report.part("bounce")
    permanent = bounce.get("type") == "Permanent"
    report.note(
        session,
        "bounced" if permanent else "soft_bounced",
        event="bounced",
        type=_text(bounce.get("type")),
        sub_type=_text(bounce.get("subType")),
        diagnosis=_diagnosis(bounce.get("diagnosticCode")),
    )
    if permanent:
        suppress(session, report.mail.recipient_email, reason="bounced", at=report.at, webhook_event_id=report.event_id)


def _diagnosis(codes: object) -> str | None:
    """What the server said, without the address that it likes to repeat; a list in Resend's documents, a text in its SDK."""
    said = " ".join(str(code) for code in codes) if isinstance(codes, list) else codes
    return ADDRESS.sub("(address)", str(said))[:LONGEST_DIAGNOSIS] if said else None


def _text(value: object) -> str | None:
    return value[:100] if isinstance(value, str) else None
