"""Every mail that was accepted, with what is needed to show it and to prove that none was accepted twice."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from simulator.mail.validation import Mail
from simulator.store import Row, Store

PAGE = """
SELECT * FROM emails WHERE seq > :after AND (:key IS NULL OR idempotency_key = :key)
    AND (:to IS NULL OR instr(char(10) || recipients || char(10), char(10) || :to || char(10)) > 0)
ORDER BY seq LIMIT :limit
"""


@dataclass(frozen=True)
class Arrival:
    """One mail of a request; ``batch_index`` is its place in the request's list, None for a single mail."""

    mail: Mail
    batch_index: int | None = None


class Mailbox:
    """The accepted mails, in order of acceptance."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.keep_bodies = True
        self.dedupe_header = "X-Entity-Ref-ID"
        self.changes = 0

    def accept(self, arrivals: Sequence[Arrival], body: bytes, key: str | None, at: float) -> list[str]:
        """Store the mails of one request, the body once for all of them, and name their new ids."""
        body_id = self._store.run("INSERT INTO bodies (body) VALUES (?)", (body,)).lastrowid if self.keep_bodies else None
        wanted = self.dedupe_header.lower()
        rows = []
        for arrival in arrivals:
            mail = arrival.mail
            dedupe = next((text for name, text in mail.headers.items() if name.lower() == wanted), None)
            recipients = "\n".join(mail.recipients)
            rows.append((_new_id(), body_id, arrival.batch_index, key, dedupe, mail.sender, recipients, mail.subject, at, "sent"))
        self._store.run_many(
            "INSERT INTO emails (id, body_id, batch_index, idempotency_key, dedupe, sender, recipients, subject, accepted_at, last_event)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
        self.changes += 1
        return [row[0] for row in rows]

    def find(self, email_id: str) -> dict[str, Any] | None:
        return next(iter(self.find_all([email_id])), None)

    def find_all(self, email_ids: Sequence[str]) -> list[dict[str, Any]]:
        wanted = json.dumps(list(email_ids))
        return self._shown(self._store.rows("SELECT * FROM emails WHERE id IN (SELECT value FROM json_each(?)) ORDER BY seq", (wanted,)))

    def note_event(self, email_id: str, event: str) -> None:
        self._store.run("UPDATE emails SET last_event = ? WHERE id = ?", (event, email_id))
        self.changes += 1

    def page(
        self, *, after: int = 0, limit: int = 1000, to: str | None = None, key: str | None = None, bodies: bool = True
    ) -> list[dict[str, Any]]:
        """The mails accepted after the one numbered ``after``, the oldest first."""
        rows = self._store.rows(PAGE, {"after": after, "key": key, "to": to, "limit": limit})
        return self._shown(rows, bodies=bodies)

    def newest(self, *, limit: int, search: str = "") -> list[dict[str, Any]]:
        """The inbox's page: newest first, without bodies."""
        rows = self._store.rows(
            "SELECT * FROM emails WHERE recipients LIKE ? OR subject LIKE ? ORDER BY seq DESC LIMIT ?",
            (f"%{search}%", f"%{search}%", limit),
        )
        return self._shown(rows, bodies=False)

    def count(self) -> int:
        return self._store.number("SELECT count(*) FROM emails")

    def summary(self) -> dict[str, Any]:
        """How many were accepted, and which key or dedupe header more than once: none, if nothing was sent twice."""
        return {
            "accepted": self.count(),
            "distinct_dedupe_headers": self._store.number("SELECT count(DISTINCT dedupe) FROM emails"),
            "without_dedupe_header": self._store.number("SELECT count(*) FROM emails WHERE dedupe IS NULL"),
            "duplicate_keys": self._repeated("idempotency_key", ", batch_index"),
            "duplicate_dedupe_headers": self._repeated("dedupe"),
        }

    def _shown(self, rows: Sequence[Row], *, bodies: bool = True) -> list[dict[str, Any]]:
        """A request's body is read and parsed once, not once for each of the hundred mails that came in it."""
        payloads: dict[int | None, Any] = {None: {}}
        for body_id in {row["body_id"] for row in rows} - {None} if bodies else ():
            found = self._store.row("SELECT body FROM bodies WHERE id = ?", (body_id,))
            payloads[body_id] = json.loads(found["body"]) if found else {}
        parts = [payloads.get(row["body_id"], {}) for row in rows]
        return [_facts(row, part[row["batch_index"]] if isinstance(part, list) else part) for row, part in zip(rows, parts, strict=True)]

    def _repeated(self, column: str, also: str = "") -> dict[str, int]:
        rows = self._store.rows(
            f"SELECT {column} AS value, count(*) AS times FROM emails WHERE {column} IS NOT NULL"  # noqa: S608 - names from this file
            f" GROUP BY {column}{also} HAVING count(*) > 1 ORDER BY times DESC LIMIT 1000"
        )
        return {row["value"]: row["times"] for row in rows}


def _new_id() -> str:
    """A random UUID of version 4; the uuid module takes four times as long, which a batch of a hundred pays a hundred times."""
    text = os.urandom(16).hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def _facts(row: Row, payload: dict[str, Any]) -> dict[str, Any]:
    names = ("seq", "id", "idempotency_key", "dedupe", "subject", "accepted_at", "last_event", "batch_index")
    return {
        **{name: row[name] for name in names},
        "from": row["sender"],
        "to": row["recipients"].split("\n"),
        "html": payload.get("html"),
        "text": payload.get("text"),
        "headers": payload.get("headers") or {},
        "tags": payload.get("tags") or [],
        "reply_to": payload.get("reply_to"),
    }
