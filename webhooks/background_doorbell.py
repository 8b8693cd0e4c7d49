"""The web process's doorbell: a thread of its own pushes to Redis, so that no request ever waits for it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

from tasks.envelope import Message
from tasks.publishing import Doorbell

MOST_WAITING = 10_000  # beyond this the newest are left to the recovery sweep
MOST_AT_ONCE = 500


class BackgroundDoorbell:
    """Takes messages at once and rings for them in the background; what cannot be pushed is left to the recovery sweep."""

    def __init__(self, doorbell: Doorbell) -> None:
        self._doorbell = doorbell
        self._waiting: deque[Message] = deque()
        self._wake = threading.Event()
        threading.Thread(target=self._run, name="doorbell", daemon=True).start()

    def publish(self, messages: Sequence[Message]) -> bool:
        """Hand over the messages; False when too many wait already."""
        if len(self._waiting) + len(messages) > MOST_WAITING:
            return False
        self._waiting.extend(messages)
        self._wake.set()
        return True

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_AT_ONCE))]
                self._doorbell.publish(batch)
