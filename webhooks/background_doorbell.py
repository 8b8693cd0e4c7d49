"""The web process's doorbell: a thread of its own pushes to Redis, so that no request ever waits for it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from queue import Empty, SimpleQueue

from tasks.envelope import Message
from tasks.publishing import Doorbell

MOST_WAITING = 1_000  # groups of messages; beyond this the newest are left to the recovery sweep
MOST_AT_ONCE = 50


class BackgroundDoorbell:
    """Takes messages at once and rings for them in the background; what cannot be pushed is left to the recovery sweep."""

    def __init__(self, doorbell: Doorbell) -> None:
        self._doorbell = doorbell
        self._waiting: SimpleQueue[Sequence[Message]] = SimpleQueue()
        threading.Thread(target=self._run, name="doorbell", daemon=True).start()

    def publish(self, messages: Sequence[Message]) -> bool:
        """Hand over the messages; False when too many wait already."""
        if self._waiting.qsize() >= MOST_WAITING:
            return False
        self._waiting.put(messages)
        return True

    def _run(self) -> None:
        while True:
            groups = [self._waiting.get()]
            try:
                while len(groups) < MOST_AT_ONCE:
                    groups.append(self._waiting.get_nowait())
            except Empty:
                pass
            self._doorbell.publish([message for group in groups for message in group])
