"""Every event that a simulated provider has made, whether or not it was delivered, with its delivery attempts."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

from simulator.store import Row, Store

Provider = Literal["stripe", "resend"]
State = Literal["pending", "delivered", "withheld", "abandoned"]


@dataclass(frozen=True)
class Attempt:
    """One try to deliver; ``status`` is None when there was no answer, and ``error`` says why."""

    at: float
    status: int | None
    error: str | None
    duration_ms: float

    @property
    def succeeded(self) -> bool:
        return self.status is not None and self.status // 100 == 2  # noqa: PLR2004 - any 2xx


class EventLog:
    """The events of one provider."""

    def __init__(self, provider: Provider, store: Store) -> None:
        self.provider = provider
        self._store = store

    def add(self, event_id: str, event_type: str, body: bytes, created: float, state: State) -> None:
        self._store.run(
            "INSERT INTO events (id, provider, type, created, body, state) VALUES (?, ?, ?, ?, ?, ?)",
            (event_id, self.provider, event_type, created, body, state),
        )

    def note_attempt(self, event_id: str, attempt: Attempt) -> None:
        self._store.run(
            "UPDATE events SET attempts = json_insert(attempts, '$[#]', json(?)) WHERE id = ?", (json.dumps(asdict(attempt)), event_id)
        )

    def set_state(self, event_id: str, state: State) -> None:
        """A delivered event stays delivered, also when a duplicate of it fails."""
        self._store.run("UPDATE events SET state = ? WHERE id = ? AND state <> 'delivered'", (state, event_id))

    def body_of(self, event_id: str) -> bytes | None:
        row = self._store.row("SELECT body FROM events WHERE provider = ? AND id = ?", (self.provider, event_id))
        return None if row is None else row["body"]

    def pending(self) -> list[str]:
        """What a former process of this simulator left undelivered."""
        rows = self._store.rows("SELECT id FROM events WHERE state = 'pending' AND provider = ? ORDER BY seq", (self.provider,))
        return [row["id"] for row in rows]

    def find(self, event_id: str) -> dict[str, Any] | None:
        row = self._store.row("SELECT * FROM events WHERE provider = ? AND id = ?", (self.provider, event_id))
        return None if row is None else _shown(row)

    def page(self, *, after: int = 0, limit: int = 1000) -> list[dict[str, Any]]:
        """The events made after the one numbered ``after``, the oldest first."""
        rows = self._store.rows("SELECT * FROM events WHERE provider = ? AND seq > ? ORDER BY seq LIMIT ?", (self.provider, after, limit))
        return [_shown(row) for row in rows]

    def newest(self, limit: int) -> list[dict[str, Any]]:
        rows = self._store.rows("SELECT * FROM events WHERE provider = ? ORDER BY seq DESC LIMIT ?", (self.provider, limit))
        return [_shown(row) for row in rows]


def _shown(row: Row) -> dict[str, Any]:
    names = ("seq", "id", "type", "created", "state")
    return {**{name: row[name] for name in names}, "attempts": json.loads(row["attempts"]), "event": json.loads(row["body"])}
