"""The web process looks at the schedule too: it lives when Beat and every worker are dead."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from tasks.dead_man import look

log = structlog.get_logger()


class Watch(threading.Thread):
    """Looks every ``every_seconds`` until it is stopped; whatever goes wrong, it looks again."""

    def __init__(self, *, every_seconds: float, look: Callable[[], None] = look) -> None:
        super().__init__(name="watch", daemon=True)
        self._every_seconds = every_seconds
        self._look = look
        self._stopped = threading.Event()

    def run(self) -> None:
        """The first look comes after one interval, so that tasks may run first when everything was just started."""
        while not self._stopped.wait(self._every_seconds):
            try:
                self._look()
            except Exception as error:  # noqa: BLE001 - a watch that ends is worse than one that misses something
                log.warning("watch.failed", error=type(error).__name__)

    def stop(self) -> None:
        """End at the next wait."""
        self._stopped.set()
