"""The worker's consumer: messages that never become a task fire no signal in Celery, so they are buried from here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery.worker.consumer import Consumer

from tasks.dead_letters import bury_message


class DeadLetterConsumer(Consumer):  # type: ignore[misc]  # Celery ships no types
    """Celery's consumer, which also writes what it throws away to the dead letters (option ``worker_consumer``)."""

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
        """Celery's handler of one message, which ends the whole worker on a message of an unexpected shape, and on its return again."""
        handle = super().create_task_handler(*args, **kwargs)

        def on_task_received(message: Any) -> Any:
            try:
                return handle(message)
            except (TypeError, ValueError, LookupError, AttributeError) as error:
                return self.on_invalid_task(None, message, error)

        return on_task_received

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
