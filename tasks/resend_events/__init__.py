"""The shelf of Resend events: what each type means to us, one file per type; this module is the registry and what all have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.orm import Session

from models.delivery_reports import DeliveryStatus, ReportedMail, note_report
from models.schema import Json
from tasks.errors import PermanentFailure
from tasks.event_handlers import EventHandlers

EventHandler = Callable[[Session, "Report"], None]

_handlers: EventHandlers[EventHandler] = EventHandlers()
handles = _handlers.handles
handler_of = _handlers.handler_of


class MalformedReport(PermanentFailure):
    """A signed event about a mail that does not say which."""

    reason = "malformed_event"


@dataclass(frozen=True, kw_only=True)
class Report:
    """One event about one of our mails, as it stands in ``data``."""

    event_id: UUID
    email_id: str
    mail: ReportedMail
    at: datetime
    data: Json

    def part(self, name: str) -> Json:
        """The object that only this type has, such as ``bounce``; empty if it is missing."""
        found = self.data.get(name)
        return found if isinstance(found, dict) else {}

    def note(self, session: Session, status: DeliveryStatus, *, event: str | None = None, **detail: object) -> None:
        """Write the report down; ``detail`` holds no addresses, no links and nothing about the reader's device."""
        known = {name: value for name, value in detail.items() if value is not None}
        note_report(session, self.mail, status, provider_message_id=self.email_id, at=self.at, event=event or status, detail=known)


def email_id_in(body: Json) -> str:
    """The provider's id of the mail; raises ``MalformedReport``."""
    email_id = body["data"].get("email_id")
    if not isinstance(email_id, str) or not email_id or "\0" in email_id:
        raise MalformedReport('the event has no "email_id"')
    return email_id


def our_tag_in(body: Json) -> tuple[UUID | None, bool]:
    """The notification that our tag names, and whether the mail has tags at all (of other senders on the same account)."""
    tags = body["data"].get("tags")
    if isinstance(tags, list):  # as they are when sending
        tags = {tag.get("name"): tag.get("value") for tag in tags if isinstance(tag, dict)}
    if not isinstance(tags, dict) or not tags:
        return None, False
    try:
        return UUID(str(tags.get("notification_id"))), True
    except ValueError:
        return None, True


def moment_in(body: Json, *, at_latest: datetime) -> datetime:
    """When it happened by the provider's clock, but never later than we heard of it."""
    try:
        moment = datetime.fromisoformat(str(body.get("created_at")))
    except ValueError:
        return at_latest
    return min(moment if moment.tzinfo else moment.replace(tzinfo=UTC), at_latest)
