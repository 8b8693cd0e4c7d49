"""The shelf of Stripe events: what each type means to us, one file per type; this module is only the registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session

from models.schema import Json
from tasks.event_handlers import EventHandlers

EventHandler = Callable[[Session, "StripeEvent"], None]

_handlers: EventHandlers[EventHandler] = EventHandlers()
handles = _handlers.handles
handler_of = _handlers.handler_of


class StripeEvent:
    """A verified event as plain JSON; only what every type has is named here."""

    def __init__(self, body: Json) -> None:
        self.body = body
        self.id: str = body["id"]
        self.type: str = body["type"]
        self.created: int = int(body.get("created") or 0)
        data = body.get("data")
        data = data if isinstance(data, dict) else {}
        self.object: Json = data["object"] if isinstance(data.get("object"), dict) else {}
        self.previous_attributes: Json = data["previous_attributes"] if isinstance(data.get("previous_attributes"), dict) else {}

    def metadata(self) -> dict[str, Any]:
        """The object's metadata; empty when Stripe sent none."""
        found = self.object.get("metadata")
        return found if isinstance(found, dict) else {}
