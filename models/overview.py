"""How much work waits and for how long, read straight from the rows; each figure is one index range."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

WORK_TABLES = ("webhook_events", "notifications")


class Backlog(NamedTuple):
    """One lane now: rows that are due or running, rows that wait for a later time, and the age of the oldest due one in seconds."""

    lane: str
    due: int
    running: int
    later: int
    oldest_due_seconds: float


def backlogs(session: Session) -> list[Backlog]:
    """The unfinished rows of every lane; the cost grows with the backlog, not with the table."""
    return [Backlog(table, *session.execute(text(_BACKLOG.replace("{table}", table))).one()) for table in WORK_TABLES]


def unresolved_failures(session: Session) -> dict[str, int]:
    """Unresolved failed operations by type."""
    rows = session.execute(text("SELECT operation_type, count(*) FROM failed_operations WHERE resolved_at IS NULL GROUP BY operation_type"))
    return {"email": 0, "webhook": 0, "job": 0} | {row[0]: row[1] for row in rows}


def unresolved_because_of(session: Session, reasons: Iterable[str]) -> dict[str, int]:
    """Unresolved failed operations by reason, of these reasons only."""
    sql = "SELECT reason, count(*) FROM failed_operations WHERE resolved_at IS NULL AND reason = ANY (:reasons) GROUP BY reason"
    return {row[0]: row[1] for row in session.execute(text(sql), {"reasons": sorted(reasons)})}


_BACKLOG = """
    SELECT count(*) FILTER (WHERE status = 'pending' AND next_attempt_at <= now()),
           count(*) FILTER (WHERE status = 'running'),
           count(*) FILTER (WHERE status = 'pending' AND next_attempt_at > now()),
           coalesce(extract(epoch FROM now() - min(next_attempt_at) FILTER (
               WHERE status = 'pending' AND next_attempt_at <= now())), 0)::float8
    FROM {table} WHERE status IN ('pending', 'running')
"""
