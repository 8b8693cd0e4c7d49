"""What the simulator remembers: one SQLite database, in memory or in a folder that outlives a restart."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS bodies (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS emails (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, body_id INTEGER, batch_index INTEGER, idempotency_key TEXT, dedupe TEXT,
    sender TEXT NOT NULL, recipients TEXT NOT NULL, subject TEXT NOT NULL, accepted_at REAL NOT NULL, last_event TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS idempotency_keys (
    provider TEXT NOT NULL, key TEXT NOT NULL, fingerprint BLOB NOT NULL, body BLOB NOT NULL,
    expires_at REAL NOT NULL, PRIMARY KEY (provider, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stripe_objects (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS sessions_by_purchase ON stripe_objects (json_extract(body, '$.client_reference_id'))
    WHERE kind = 'checkout.session';
CREATE INDEX IF NOT EXISTS sessions_by_payment ON stripe_objects (json_extract(body, '$.payment_intent')) WHERE kind = 'checkout.session';
CREATE INDEX IF NOT EXISTS open_sessions ON stripe_objects (json_extract(body, '$.expires_at'))
    WHERE kind = 'checkout.session' AND json_extract(body, '$.status') = 'open';
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, provider TEXT NOT NULL, type TEXT NOT NULL, created REAL NOT NULL,
    body BLOB NOT NULL, state TEXT NOT NULL, attempts TEXT NOT NULL DEFAULT '[]');
CREATE INDEX IF NOT EXISTS events_by_time ON events (provider, created);
CREATE INDEX IF NOT EXISTS events_pending ON events (state) WHERE state = 'pending';
"""
TABLES = ("bodies", "emails", "idempotency_keys", "stripe_objects", "events")
COMMIT_SECONDS = 0.2
SCHEMA_VERSION = 1

log = logging.getLogger(__name__)

Row = sqlite3.Row
Values = Sequence[Any] | Mapping[str, Any]


class Store:
    """Statements run at once in the caller; a background task commits, so that a thousand mails share one write."""

    def __init__(self, folder: Path | None = None) -> None:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(folder / "simulator.sqlite" if folder else ":memory:", cached_statements=256)
        self._connection.row_factory = sqlite3.Row
        self._connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;")
        self._create_tables()

    def _create_tables(self) -> None:
        """What a simulator of another version left behind is play money: it is dropped, not migrated."""
        if self.number("PRAGMA user_version") != SCHEMA_VERSION:
            for table in TABLES:
                self.run(f"DROP TABLE IF EXISTS {table}")
        self._connection.executescript(f"{SCHEMA} PRAGMA user_version = {SCHEMA_VERSION};")

    def run(self, statement: str, values: Values = ()) -> sqlite3.Cursor:
        return self._connection.execute(statement, values)

    def run_many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        self._connection.executemany(statement, rows)

    def rows(self, statement: str, values: Values = ()) -> list[Row]:
        return self.run(statement, values).fetchall()

    def row(self, statement: str, values: Values = ()) -> Row | None:
        found: Row | None = self.run(statement, values).fetchone()
        return found

    def number(self, statement: str, values: Values = ()) -> int:
        """The single number that ``statement`` asks for."""
        return int(self.run(statement, values).fetchone()[0] or 0)

    def forget_everything(self) -> None:
        for table in TABLES:
            self.run(f"DELETE FROM {table}")  # noqa: S608 - names of this file

    async def keep_committing(self) -> None:
        with suppress(asyncio.CancelledError):
            while True:
                await asyncio.sleep(COMMIT_SECONDS)
                self._commit()

    def close(self) -> None:
        self._commit()
        self._connection.close()

    def _commit(self) -> None:
        """A full disk is said and tried again, so that the simulator goes on when there is room."""
        try:
            self._connection.commit()
        except sqlite3.OperationalError as error:
            log.error("The simulator cannot keep its records: %s.", error)  # noqa: TRY400 - a sentence, not a stack
