"""Every worker asks for a look at the schedule by itself, without Beat, whose death is what the look is to find."""

from __future__ import annotations

from typing import Any, ClassVar

from celery import bootsteps

from settings import get_settings
from tasks.celery_app import app
from tasks.dead_man import NAME
from tasks.envelope import Message
from tasks.publishing import publish

QUEUE = "sweeps"


class WatchStep(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery ships no types
    """Puts one message into the queue now and then, for a child of any worker; nothing else is done in the worker's event loop."""

    requires: ClassVar[set[str]] = {"celery.worker.consumer.tasks:Tasks"}

    def __init__(self, consumer: Any, **_: Any) -> None:
        self._timer: Any = None
        super().__init__(consumer)

    def start(self, consumer: Any) -> None:
        """Begin to ask."""
        self._timer = consumer.timer.call_repeatedly(get_settings().watch_seconds, publish, ([Message(NAME, (), QUEUE)],))

    def stop(self, _consumer: Any) -> None:
        """Stop asking."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    terminate = stop


app.steps["consumer"].add(WatchStep)
