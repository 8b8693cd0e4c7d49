"""How many due reminders a second are claimed and queued, and in how much memory: ``python -m benchmarks.reminder_sweep``."""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier

import psutil
import psycopg
import structlog
from rich.console import Console
from rich.table import Table
from sqlalchemy import func, select

from benchmarks.platform import platform
from benchmarks.reminder_plan import show_plan
from benchmarks.reminder_rows import BARE, CLAIMS_ALONE, COUNTS, FILL, TIDY

SWEEPERS = 10


def fill(database: psycopg.Connection[tuple[object, ...]], rows: int) -> None:
    """So many people with one meeting each in the window of the day before, and one each on a later day."""
    for statement in FILL:
        database.execute(statement, {"rows": rows})
    tidy(database)


def tidy(database: psycopg.Connection[tuple[object, ...]]) -> None:
    """Nothing claimed, and true statistics: the same start for each way."""
    for statement in TIDY:
        database.execute(statement)


def measured(database: psycopg.Connection[tuple[object, ...]], way: Callable[[], int]) -> float:
    """Rows a second of one way from a tidy start."""
    tidy(database)
    started = time.perf_counter()
    rows = way()
    return rows / (time.perf_counter() - started)


def bare(database: psycopg.Connection[tuple[object, ...]], statements: tuple[bytes, ...], rows: int) -> int:
    """All rows at once, from the same query into the same tables, with nothing to prevent a second time."""
    with database.transaction():
        for statement in statements:
            found = database.execute(statement).rowcount
            if found != rows:
                raise SystemExit(f"{found} rows instead of {rows}")
    return rows


class Sweeping:
    """The product's own sweep of one source; ``memory`` is this process's resident size after each chunk, in MB."""

    def __init__(self) -> None:
        self.memory: list[float] = []

    def run(self) -> int:
        """Everything due, in chunks of one statement."""
        from tasks.reminder_sweep import sweep  # once the environment names the servers
        from tasks.reminders.meetings import DAY_BEFORE

        process = psutil.Process()
        report = sweep([DAY_BEFORE], on_progress=lambda _step: self.memory.append(process.memory_info().rss / 1e6))
        return report["claimed"][DAY_BEFORE.name]


def one_by_one(sample: int) -> int:
    """What most systems do: claim a row, promise its mail, commit, and so on; both stand or fall together here too."""
    from models.connection import transaction  # once the environment names the servers
    from models.reminders_sent import mark_reminder_as_sent
    from tasks.emails.enqueueing import enqueue
    from tasks.reminders.meetings import DAY_BEFORE

    with transaction() as session:
        rows = DAY_BEFORE.due.subquery()
        due = session.execute(select(rows).where(rows.c.scheduled_at <= func.now() + DAY_BEFORE.lead).limit(sample)).all()
    for row in due:
        with transaction() as session:
            if mark_reminder_as_sent(session, "MEETING", row.entity_id, "24h", row.user_id, occurrence=row.scheduled_at):
                payload = {**row.payload, "lead_time": "24 hours"}
                key = f"reminder/{row.entity_id}"
                enqueue(session, "meeting_reminder", row.recipient_email, payload, dedupe_key=key, user_id=row.user_id)
    return len(due)


def sweeper(start: Barrier) -> None:
    """One of ten processes that sweep at once."""
    start.wait(60)
    Sweeping().run()


def ten_at_once(rows: int) -> int:
    """Ten sweeps begun in the same instant; done when the last has ended."""
    from models.connection import forget_engine  # once the environment names the servers

    forget_engine()
    processes = multiprocessing.get_context("fork")
    start = processes.Barrier(SWEEPERS)
    sweepers = [processes.Process(target=sweeper, args=(start,)) for _ in range(SWEEPERS)]
    for each in sweepers:
        each.start()
    for each in sweepers:
        each.join()
    return rows


def check(database: psycopg.Connection[tuple[object, ...]], rows: int) -> None:
    """One claim, one mail and one line of the log for each, and no person twice."""
    found = {database.execute(statement).fetchone() for statement in COUNTS}
    if found != {(rows,)}:
        raise SystemExit(f"expected {rows} of each and found {found}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument(
        "--sample", type=int, default=3_000, help="rows of the way one by one, whose rate does not depend on how many there are"
    )
    options.add_argument(
        "--plan", type=int, metavar="MEETINGS", help="instead: show the chunk's plan with so many meetings, such as 10000000"
    )
    chosen = options.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with platform() as environ, psycopg.connect(environ["DATABASE_URL"], autocommit=True) as database:
        if chosen.plan:
            show_plan(database, chosen.plan)
        else:
            compare(database, chosen.rows, chosen.sample)


def compare(database: psycopg.Connection[tuple[object, ...]], rows: int, sample: int) -> None:
    """All ways in one run, on the same server."""
    fill(database, rows)
    sweeping = Sweeping()
    rates = {
        "bare INSERT … SELECT, claims alone": measured(database, lambda: bare(database, CLAIMS_ALONE, rows)),
        "bare INSERT … SELECT, the same three tables": measured(database, lambda: bare(database, BARE, rows)),
        "redrive's sweep": measured(database, sweeping.run),
    }
    check(database, rows)
    rates["a second sweep, all claimed already"] = rows / timed(sweeping.run)
    rates[f"one by one ({sample:,} rows)"] = measured(database, lambda: one_by_one(sample))
    rates[f"{SWEEPERS} sweeps at once"] = measured(database, lambda: ten_at_once(rows))
    check(database, rows)
    report(rates, rows, sweeping.memory)


def timed(way: Callable[[], int]) -> float:
    """Seconds of one way, from where the last one left off."""
    started = time.perf_counter()
    way()
    return time.perf_counter() - started


def report(rates: dict[str, float], rows: int, memory: list[float]) -> None:
    """The table, with each way's ratio to the bare one and what a million rows take or would take."""
    console, reference = Console(), rates["bare INSERT … SELECT, the same three tables"]
    table = Table(
        "way", "rows/s", "of the bare rate", "a million rows", title=f"{rows:,} due reminders: claim, notification and log line of each"
    )
    for way, rate in rates.items():
        table.add_row(way, f"{rate:,.0f}", f"{rate / reference:.2f}", f"{1_000_000 / rate:,.0f} s")
    console.print(table)
    first, last = memory[0], memory[len(memory) // 2 - 1]
    console.print(
        f"memory of the sweeping process: {first:.0f} MB after its first chunk, {last:.0f} MB after the last, at most {max(memory):.0f} MB"
    )


if __name__ == "__main__":
    main()
