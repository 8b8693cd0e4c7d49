"""Queued mails drain while workers are killed with ``kill -9``: ``python -m benchmarks.drain_with_kills --mails 100000 --seed 7``.

Everything is as on a platform: the Procfile's web, beat and two workers, kept running by the supervisor, with the product's own times.
The mails are queued by SQL and over HTTP while they drain. At the end every row is checked: each mail accepted once, its log complete.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import text
from sqlalchemy.orm import Session

from benchmarks.email_drain import ANSWER_MS, QUEUE
from benchmarks.http_load import post_request, run_load
from local.chaos.faults import FAULTS
from local.chaos.injection import Chaos
from local.chaos.report import FaultTable
from local.chaos.stage import Stage, stage
from local.ledger_checks import Violation, unfinished, violations
from models.connection import connect_directly, transaction
from settings import get_settings
from tasks.logs import configure_logging

LONGEST_SECONDS = 1_200
AT_ONCE = 5_000  # mails in one transaction of SQL
CONNECTIONS = 8
ACCEPTED = 202
KIND = "welcome"
KILLS = {name: FAULTS[name] for name in ("worker: child killed", "worker: main process killed")}
CALLS = ("POST /emails/batch", "POST /emails")
LEFT = "SELECT count(*) FILTER (WHERE status = 'pending'), count(*) FROM notifications WHERE status IN ('pending', 'running')"
INCOMPLETE = """
    SELECT n.id::text FROM notifications n LEFT JOIN notification_event_logs l ON l.notification_id = n.id GROUP BY n.id
    HAVING count(*) FILTER (WHERE l.event = 'queued') <> 1 OR count(*) FILTER (WHERE l.event = 'sent') <> 1
        OR count(*) FILTER (WHERE l.event = 'attempted' AND l.detail ->> 'outcome' = 'sent') <> 1
        OR bool_or(l.event = 'sent' AND l.detail ->> 'provider_message_id' <> n.provider_message_id)
"""
SHARES = (0.5, 0.9, 0.99, 1.0)
MOMENTS = """
    SELECT percentile_disc(ARRAY[0.5, 0.9, 0.99, 1]) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - first.created_at)::float8)
    FROM notifications, (SELECT min(created_at) AS created_at FROM notifications) AS first
"""


def queue_by_sql(mails: int) -> None:
    """As another application on the same database does, some thousands in a transaction."""
    with connect_directly() as connection:
        for first in range(0, mails, AT_ONCE):
            values = {"kind": KIND, "payload": '{"name": "Ada"}', "label": f"sql-{first}-", "mails": min(AT_ONCE, mails - first)}
            connection.execute(QUEUE, values)


def queue_by_http(mails: int) -> None:
    """As a shop's own backend does, each mail by a request that is answered before the connection takes the next."""
    settings = get_settings()
    headers = {"Authorization": f"Bearer {settings.api_token.get_secret_value()}", "Content-Type": "application/json"}
    bodies = (json.dumps({"type": KIND, "to": f"http-{n}@example.com", "payload": {"name": "Ada"}}) for n in range(mails))
    requests = [post_request("/api/notifications", body.encode(), headers) for body in bodies]
    load = run_load(("127.0.0.1", settings.port), requests, connections=CONNECTIONS)
    if load.statuses[ACCEPTED] != mails:
        raise SystemExit(f"{mails} mails were to be queued over HTTP, but the answers were {dict(load.statuses)}")


async def drain(built: Stage, chaos: Chaos, *, by_sql: int, by_http: int) -> None:
    """Queue and kill at once; the killing ends when the last mail is on its way, and then all that was interrupted is waited for."""
    killing = asyncio.create_task(chaos.rage(LONGEST_SECONDS))
    try:
        await asyncio.gather(asyncio.to_thread(queue_by_sql, by_sql), asyncio.to_thread(queue_by_http, by_http))
        await _until_none(built, place=0)
    finally:
        killing.cancel()
        await asyncio.wait({killing})
    await _until_none(built, place=1)


async def _until_none(built: Stage, *, place: int) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    while left := (await asyncio.to_thread(_left))[place]:
        if time.monotonic() > deadline:
            raise SystemExit(f"{left} mails are left after {LONGEST_SECONDS} s; the provider says {built.mail.summary()}")
        await asyncio.sleep(0.2)


def _left() -> Sequence[int]:
    with transaction() as session:
        return session.execute(text(LEFT)).one()


def judge(built: Stage, mails: int) -> list[Violation]:
    """Every promise that does not hold, with its rows."""
    with transaction() as session:
        found = [
            *violations(session, built.mail, accepted_event_ids=()),
            Violation("every mail is sent", [f"{unfinished(session)} are left"] if _count(session, "status <> 'sent'") else []),
            Violation("every mail that was queued is there", [] if _count(session, "true") == mails else ["some are missing"]),
            Violation("the log of every mail is complete", list(session.execute(text(INCOMPLETE)).scalars())),
        ]
    return [violation for violation in found if violation.rows]


def result(built: Stage, chaos: Chaos, *, by_sql: int, by_http: int, seed: int) -> Table:
    """What was done, and what came of it."""
    asked, summary, mails = built.mail.requests(limit=0), built.mail.summary(), by_sql + by_http
    with transaction() as session:
        moments = session.execute(text(MOMENTS)).scalar_one()
        sent, again = _count(session, "status = 'sent'"), _count(session, "attempts > 1")
        standstill, interrupted = FaultTable(session, ()).longest(chaos.injected)
    table = Table("", "", title=f"{mails:,} mails with kills, seed {seed}", title_justify="left", show_header=False)
    rows: list[tuple[str, str]] = [
        ("mails", f"{mails:,}"),
        ("queued by SQL", f"{by_sql:,}"),
        ("queued over HTTP", f"{by_http:,}"),
        ("seconds until 50, 90, 99 and 100 % were sent", ", ".join(f"{seconds:.1f}" for seconds in moments)),
        ("mails/s, up to 50, 90, 99 and 100 %", ", ".join(f"{mails * part / s:,.0f}" for part, s in zip(SHARES, moments, strict=True))),
        *((f"kill -9, {name}", str(sum(fault.kind == name for fault in chaos.injected))) for name in KILLS),
        ("calls for a batch, and for a single mail", " and ".join(f"{asked['paths'].get(path, 0):,}" for path in CALLS)),
        ("calls that were answered from the provider's memory", f"{asked['outcomes'].get('replayed', 0):,}"),
        ("mails with more than one attempt of their own", f"{again:,}"),
        ("longest standstill after a kill", standstill),
        ("longest until all that a kill interrupted was sent", interrupted),
        ("duplicates", str(len(summary.duplicate_keys) + len(summary.duplicate_dedupe_headers))),
        ("lost", str(mails - sent)),
    ]
    for row in rows:
        table.add_row(*row)
    return table


def _count(session: Session, condition: str) -> int:
    return int(session.execute(text(f"SELECT count(*) FROM notifications WHERE {condition}")).scalar_one())


async def run(options: argparse.Namespace, folder: Path) -> tuple[Table, list[Violation]]:
    by_http = round(options.mails * options.http_share)
    queued = {"by_sql": options.mails - by_http, "by_http": by_http}
    async with stage(folder, hurry=False) as built:
        built.mail.script_resend(latency_ms=ANSWER_MS)
        chaos = Chaos(built, random.Random(options.seed), faults=KILLS, mean_pause_seconds=options.pause)
        await drain(built, chaos, **queued)
        return result(built, chaos, seed=options.seed, **queued), judge(built, options.mails)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--mails", type=int, default=100_000)
    options.add_argument("--http-share", type=float, default=0.04, help="the share of the mails that is queued over HTTP")
    options.add_argument("--seed", type=int, default=1, help="draws the same moments and kinds of kills")
    options.add_argument("--pause", type=float, default=3.0, help="mean seconds between two kills")
    configure_logging(logging.WARNING)
    chosen, console = options.parse_args(), Console(width=140)
    folder = Path(tempfile.mkdtemp(prefix="redrive-benchmark-"))
    table, found = asyncio.run(run(chosen, folder))
    console.print(table)
    for violation in found:
        console.print(f"[red]violated:[/red] {violation}")
    if found:
        sys.exit(f"The words of all processes are in {folder}/processes.log")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
