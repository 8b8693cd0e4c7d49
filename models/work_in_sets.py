"""The transitions of ``models/work.py`` for many rows in one statement, where work is done a hundred at a time.

Every row is still fenced by its own token: a claim that is no longer the newest changes nothing, and its id is not returned.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import TextClause, text

from models.storable import storable_text
from models.work import CLAIMED, ENDED, SWEEP_AGAIN, Claim, Executor, WorkTable

CLAIMS = "unnest(CAST(:ids AS uuid[]), CAST(:tokens AS bigint[])"  # the beginning of a table of claims, with more columns if wanted
# Rows whose last attempt crashed are left to tasks of their own, where they crash alone.
NEVER_CRASHED = "crashes = 0"
# Whether row ``n`` belongs to the claim ``held``. Not ``status = 'running'``: the planner would then walk through all running rows.
HELD = "n.id = held.id AND CASE WHEN n.status = 'running' THEN n.lease_token END = held.token"
# Overdue for an outcome. Not the plain columns: the planner would then sort all due rows instead of following the index on ``sweep_at``.
OVERDUE = "sweep_at <= now() AND CASE status WHEN 'pending' THEN next_attempt_at ELSE lease_expires_at END <= now()"


class Ending(NamedTuple):
    """A claim that ends without success, and why."""

    claim: Claim
    why: str


class Deferral(NamedTuple):
    """A claim that was not tried, how long the row waits, and why."""

    claim: Claim
    delay: timedelta
    why: str


def claim_overdue(table: WorkTable, connection: Executor, *, which: str, limit: int, holder: str, lease: timedelta) -> list[Claim]:
    """Take the rows that wait longest of those that fit the condition ``which``."""
    sql = """
        UPDATE {table} SET {claimed}
        WHERE id IN (
            SELECT id FROM {table} WHERE status IN ('pending', 'running') AND {overdue} AND {which}
            ORDER BY sweep_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        RETURNING id, lease_token, attempts, crashes - 1, redrives
    """
    values = {"limit": limit, "holder": holder, "lease": lease}
    return [Claim(*row) for row in connection.execute(_statement(table, sql.replace("{which}", which)), values)]


def count_overdue(table: WorkTable, connection: Executor, *, which: str, up_to: int) -> int:
    """How many rows are overdue of those that fit the condition ``which``, as far as ``up_to``."""
    sql = """
        SELECT count(*) FROM (
            SELECT FROM {table} WHERE status IN ('pending', 'running') AND {overdue} AND {which} LIMIT :up_to) AS found
    """
    return int(connection.execute(_statement(table, sql.replace("{which}", which)), {"up_to": up_to}).scalar_one())


def forget_messages(table: WorkTable, connection: Executor) -> int:
    """The broker has lost its messages: let the sweep publish again, at once, what it takes to be waiting in a queue; returns how many."""
    sql = """
        UPDATE {table} SET sweep_at = next_attempt_at
        WHERE id IN (
            SELECT id FROM {table}
            WHERE status = 'pending' AND next_attempt_at <= now() AND sweep_at > now() AND sweep_at <= now() + :again
            FOR UPDATE SKIP LOCKED)
        RETURNING id
    """
    return len(connection.execute(_statement(table, sql), {"again": SWEEP_AGAIN}).all())


def finish_all(table: WorkTable, connection: Executor, endings: Sequence[Ending], status: str) -> set[UUID]:
    """End the rows for good in ``status``; returns those that were still held."""
    sql = """
        UPDATE {table} n SET status = :status, finished_at = now(), {ended}, last_error = held.why
        FROM {claims}, CAST(:whys AS text[])) AS held (id, token, why) WHERE {held} RETURNING n.id
    """
    return _end(table, connection, sql, endings, status=status)


def defer_all(table: WorkTable, connection: Executor, deferrals: Sequence[Deferral], *, grace: timedelta = timedelta()) -> set[UUID]:
    """Let each row wait without counting an attempt; the sweep looks ``grace`` after that. Returns those that were still held."""
    sql = """
        UPDATE {table} n SET status = 'pending', attempts = n.attempts - 1, {ended}, last_error = held.why,
            next_attempt_at = now() + held.delay, sweep_at = now() + held.delay + :grace
        FROM {claims}, CAST(:whys AS text[]), CAST(:delays AS interval[])) AS held (id, token, why, delay)
        WHERE {held} RETURNING n.id
    """
    return _end(table, connection, sql, deferrals, delays=[deferral.delay for deferral in deferrals], grace=grace)


def hand_over_all(table: WorkTable, connection: Executor, claims: Sequence[Claim], *, why: str) -> set[UUID]:
    """Let each row be attempted at once by a task of its own, which the caller publishes after the commit."""
    return defer_all(table, connection, [Deferral(claim, timedelta(), why) for claim in claims], grace=SWEEP_AGAIN)


def expire_leases(table: WorkTable, connection: Executor, *, holder: str) -> None:
    """Free all rows of a holder that is known to be dead; reads the table's unfinished rows, so only for one that has few."""
    sql = "UPDATE {table} SET lease_expires_at = now(), sweep_at = now() WHERE status = 'running' AND lease_holder = :holder"
    connection.execute(_statement(table, sql), {"holder": holder})


def of_claims(claims: Sequence[Claim]) -> dict[str, Any]:
    """The values of ``CLAIMS``."""
    return {"ids": [claim.id for claim in claims], "tokens": [claim.token for claim in claims]}


def _end(table: WorkTable, connection: Executor, sql: str, ends: Sequence[Ending] | Sequence[Deferral], **values: Any) -> set[UUID]:
    if not ends:
        return set()
    values |= of_claims([end.claim for end in ends]) | {"whys": [storable_text(end.why) for end in ends]}
    return set(connection.execute(_statement(table, sql), values).scalars())


def _statement(table: WorkTable, sql: str) -> TextClause:
    parts = {"table": table.name, "claimed": CLAIMED, "ended": ENDED, "claims": CLAIMS, "held": HELD, "overdue": OVERDUE}
    for name, part in parts.items():
        sql = sql.replace(f"{{{name}}}", part)
    return text(sql)
