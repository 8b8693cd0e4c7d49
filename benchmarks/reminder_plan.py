"""Which plan PostgreSQL makes for a chunk of the reminder sweep when there are millions of meetings."""

from __future__ import annotations

import time
from datetime import timedelta
from uuid import UUID

import psycopg
from rich.console import Console
from sqlalchemy import func, select

MEETINGS = (
    b"INSERT INTO users (email) SELECT 'person' || n || '@example.com' FROM generate_series(1, 100000) n",
    b"""INSERT INTO meetings (user_id, title, scheduled_at, status)
    SELECT u.id, 'Quarterly review', now() - interval '20 days' + random() * interval '40 days',
        (ARRAY['scheduled', 'scheduled', 'scheduled', 'completed', 'cancelled'])[1 + floor(random() * 5)]
    FROM users u CROSS JOIN generate_series(1, %(each)s)""",
    b"VACUUM ANALYZE",
)


def show_plan(database: psycopg.Connection[tuple[object, ...]], meetings: int) -> None:
    """Fill the table over 40 days, then explain the query of a chunk in the middle of a walk."""
    console = Console()
    for statement in MEETINGS:
        database.execute(statement, {"each": meetings // 100_000} if b"%(each)s" in statement else None)
    plan = _explained()
    console.print("\n".join(plan), highlight=False)
    # The people are joined as PostgreSQL likes: of the meetings, only those of the window may be read.
    if any("Seq Scan on meetings" in line for line in plan) or not any("meetings_scheduled_at_status_idx" in line for line in plan):
        raise SystemExit("the plan is no range scan of meetings_scheduled_at_status_idx")
    claimed, seconds = _sweep()
    console.print(
        f"{seconds:.2f} s for the whole sweep of this window, {claimed:,} claims; {_last_check() * 1000:.1f} ms to check 100 again"
    )


def _explained() -> list[str]:
    from models.connection import transaction  # once the environment names the servers
    from models.due_reminders import Place, chunk_query, try_lock
    from tasks.reminder_walk import CHUNK, window_of
    from tasks.reminders.meetings import DAY_BEFORE

    with transaction() as session:
        now = session.execute(select(func.now())).scalar_one()
        start = Place(now + timedelta(hours=23, minutes=30), UUID(int=2**127), UUID(int=2**127))
        query = chunk_query(DAY_BEFORE, window_of(DAY_BEFORE, now, now), start, CHUNK)
        words = query.compile(session.get_bind(), compile_kwargs={"literal_binds": True})
        try_lock(session, DAY_BEFORE)
        return list(session.connection().exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS OFF) {words}").scalars())


def _sweep() -> tuple[int, float]:
    from tasks.reminder_sweep import sweep  # once the environment names the servers
    from tasks.reminders.meetings import DAY_BEFORE

    started = time.perf_counter()
    report = sweep([DAY_BEFORE])
    return report["claimed"][DAY_BEFORE.name], time.perf_counter() - started


def _last_check() -> float:
    from models.connection import transaction  # once the environment names the servers
    from models.reminders_sent import recent_reminders
    from tasks.emails.last_check import Leaving, no_longer_wanted

    with transaction() as session:
        leaving = [Leaving(claim.id, "meeting_reminder") for claim in recent_reminders(session, limit=100)]
        no_longer_wanted(session, leaving)
        started = time.perf_counter()
        if no_longer_wanted(session, leaving):
            raise SystemExit("a reminder that was just claimed is not wanted any more")
        return time.perf_counter() - started
