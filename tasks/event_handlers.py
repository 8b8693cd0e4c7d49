"""The registry behind a shelf of events: one handler for each type, given by one file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

Handler = TypeVar("Handler", bound=Callable[..., Any])


class EventHandlers(Generic[Handler]):
    """The handlers of one provider's events, by type."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}

    def handles(self, event_type: str) -> Callable[[Handler], Handler]:
        """Register the function that does what ``event_type`` means; called once for each file of the shelf."""

        def register(handler: Handler) -> Handler:
            if event_type in self._handlers:
                raise ValueError(f"{event_type} already has a handler: {self._handlers[event_type].__module__}")
            self._handlers[event_type] = handler
            return handler

        return register

    def handler_of(self, event_type: str) -> Handler | None:
        """The handler, or None for a type that means nothing to us (it is stored and answered all the same)."""
        return self._handlers.get(event_type)
