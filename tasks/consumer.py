"""The worker's consumer: messages that never become a task fire no signal in Celery, so they are buried from here."""

from __future__ import annotations

from typing import Any

from celery.worker.consumer import Consumer

from tasks.dead_letters import bury_message


class DeadLetterConsumer(Consumer):  # type: ignore[misc]  # Celery ships no types
    """Celery's consumer, which also writes what it throws away to the dead letters (option ``worker_consumer``)."""

    def on_decode_error(self, message: Any, exc: Exception) -> Any:
        """A body that cannot be decoded; Celery only logs it."""
        bury_message("undecodable", message, exc)
        return super().on_decode_error(message, exc)

    def on_unknown_message(self, body: Any, message: Any) -> Any:
        """A message that is not a task."""
        bury_message("unknown_message", message, ValueError("the message is not a Celery task"))
        return super().on_unknown_message(body, message)

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> Any:
        """A task name that no module of this release registers."""
        bury_message("unregistered", message, exc)
        return super().on_unknown_task(body, message, exc)

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> Any:
        """A task message with malformed headers or arguments."""
        bury_message("invalid", message, exc)
        return super().on_invalid_task(body, message, exc)
