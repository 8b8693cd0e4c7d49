"""What is kept of finished work, and for how long: first its personal data go, much later the rows themselves.

Both happen in small batches, each of them one statement on one range of one index. Work that still waits for a person (an unresolved
failed operation and the row behind it) is kept whole however old it is: it could not be redriven without its data.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

BATCH = 500  # rows; some milliseconds of locks on rows that nobody works on

_NOT_WAITING = """
    AND NOT EXISTS (SELECT FROM failed_operations f WHERE f.operation_type = '{type}' AND f.operation_id = t.id AND f.resolved_at IS NULL)
"""


@dataclass(frozen=True)
class Kept:
    """One table: the moment its rows are over, the one by which old rows are found, and what of a row is personal."""

    table: str
    over_at: str
    found_by: str
    erase: str
    unless: str = ""


TABLES = (
    Kept(
        "notifications",
        over_at="finished_at",
        found_by="created_at",
        # Without its fingerprint the dedupe key is still known: the same key queues nothing, whatever else the request says.
        erase="recipient_email = 'erased', user_id = NULL, payload = '{}', fingerprint = '', subject = NULL, html_body = NULL,"
        " text_body = NULL, last_error = NULL",
        unless=_NOT_WAITING.replace("{type}", "email"),
    ),
    Kept("email_batches", over_at="finished_at", found_by="created_at", erase="body = NULL, last_error = NULL"),
    Kept(
        "webhook_events",
        over_at="finished_at",
        found_by="received_at",
        erase="body = '', headers = '{}', last_error = NULL",
        unless=_NOT_WAITING.replace("{type}", "webhook"),
    ),
    Kept(
        "failed_operations",
        over_at="resolved_at",
        found_by="created_at",
        erase="event_data = '{}', error_message = 'erased', error_stack = NULL, resolution_note = NULL",
    ),
)


def erase_batch(session: Session, kept: Kept, *, older_than: timedelta, limit: int = BATCH) -> int:
    """Remove the personal data of some rows that are over for so long; returns how many."""
    return _run(
        session,
        "UPDATE {table} SET {erase}, erased_at = now() WHERE id IN (SELECT id FROM {table} t"
        " WHERE {over_at} < now() - :age AND {over_at} IS NOT NULL AND erased_at IS NULL {unless}"
        " ORDER BY {over_at} LIMIT :limit FOR UPDATE SKIP LOCKED)",
        kept,
        {"age": older_than, "limit": limit},
    )


def delete_batch(session: Session, kept: Kept, *, older_than: timedelta, limit: int = BATCH) -> int:
    """Delete some rows that are over for so long; returns how many."""
    return _run(
        session,
        "DELETE FROM {table} WHERE id IN (SELECT id FROM {table} t"
        " WHERE {found_by} < now() - :age AND {over_at} < now() - :age {unless}"  # the first follows from the second, and has an index
        " ORDER BY {found_by} LIMIT :limit FOR UPDATE SKIP LOCKED)",
        kept,
        {"age": older_than, "limit": limit},
    )


def _run(session: Session, sql: str, kept: Kept, values: dict[str, object]) -> int:
    parts = {"table": kept.table, "over_at": kept.over_at, "found_by": kept.found_by, "erase": kept.erase, "unless": kept.unless}
    for name, part in parts.items():
        sql = sql.replace(f"{{{name}}}", part)
    return len(session.execute(text(f"{sql} RETURNING id"), values).all())
