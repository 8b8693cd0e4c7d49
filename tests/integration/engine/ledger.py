"""Scripted events and what became of them, seen from outside the product."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import psycopg

from tasks.publishing import publish
from tasks.webhook_messages import message_for
from tests.eventually import eventually

Row = dict[str, Any]


class Ledger(NamedTuple):
    """The test's own view of its database, as an operator's session that commits at once."""

    connection: psycopg.Connection[Row]
    diary: Path

    def take_in(self, does: str, *, ring: bool = True, **script: object) -> UUID:
        """Store an event as the receiver would, and publish it."""
        body = {
            "id": f"evt_{uuid4().hex}",
            "type": "test.scripted",
            "created": 1,
            "data": {"object": {"does": does, "diary": str(self.diary), **script}},
        }
        return self.store(json.dumps(body).encode(), body["id"], ring=ring)

    def store(self, body: bytes, provider_event_id: object, *, ring: bool = True) -> UUID:
        """Store these bytes as an event's body."""
        row = self.connection.execute(
            "INSERT INTO webhook_events (provider, provider_event_id, event_type, body, livemode)"
            " VALUES ('stripe', %s, 'test.scripted', %s, false) RETURNING id",
            (provider_event_id, body),
        ).fetchone()
        assert row
        if ring:
            publish([message_for("stripe", row["id"])])
        return UUID(str(row["id"]))

    def event(self, event_id: UUID) -> Row:
        row = self.connection.execute("SELECT * FROM webhook_events WHERE id = %s", (event_id,)).fetchone()
        assert row
        return row

    def finished(self, event_id: UUID, within_seconds: float = 10) -> Row:
        """Wait until the event's work has ended, well or not; returns its row."""
        eventually(lambda: self.event(event_id)["finished_at"], within_seconds)
        return self.event(event_id)

    def started(self, event_id: UUID, within_seconds: float = 10) -> int:
        """Wait until a worker has begun; returns the process that did."""
        return eventually(lambda: self.runs(event_id), within_seconds)[0]

    def failures(self, **where: object) -> list[Row]:
        """Failed operations whose columns have these values, the oldest first."""
        rows = self.connection.execute("SELECT * FROM failed_operations ORDER BY created_at").fetchall()
        return [row for row in rows if all(row[name] == value for name, value in where.items())]

    def runs(self, event_id: UUID) -> list[int]:
        """The processes that began to work on this event, in order."""
        return [int(process) for process, _ in self._entries(event_id)]

    def run_times(self, event_id: UUID) -> list[float]:
        """When they began."""
        return [float(begun) for _, begun in self._entries(event_id)]

    def repair(self) -> None:
        """From now on every scripted event succeeds."""
        self.diary.with_name("repaired").touch()

    def _entries(self, event_id: UUID) -> list[list[str]]:
        name = self.event(event_id)["provider_event_id"]
        lines = self.diary.read_text().splitlines() if self.diary.exists() else []
        return [line.split()[1:] for line in lines if line.startswith(f"{name} ")]
