"""What the notification views and the queue's functions cost on a million notifications: ``python -m benchmarks.notification_views``.

Loads the rows into a throw-away PostgreSQL and prints, for each statement, its time in this session's second run and its plan
(``--plans``). Bounded: at most five million rows, on loopback, removed at the end.
"""

from __future__ import annotations

import re
from typing import Any

import click
import psycopg
from rich.console import Console
from rich.table import Table

from benchmarks.platform import platform

# Thirty days of notifications as they end in life: some of the last day still wait, some failed, some were tried twice.
LOAD = """
    INSERT INTO notifications (id, notification_type, recipient_email, payload, dedupe_key, fingerprint, status, attempts, created_at,
        next_attempt_at, sweep_at, lease_expires_at, sent_at, finished_at, last_error, subject, html_body, text_body,
        provider_message_id, delivery_status, erased_at)
    SELECT id, (ARRAY['purchase', 'welcome', 'refund', 'magic_link', 'meeting_reminder'])[1 + n %% 5],
        'user' || n %% 50000 || '@example.com', CASE WHEN old THEN '{}' ELSE '{"name": "Ada"}' END::jsonb, 'key/' || n, '', status,
        CASE status WHEN 'pending' THEN n %% 7 / 6 ELSE 1 END, born, due, due,
        CASE status WHEN 'running' THEN now() + interval '30 seconds' END, CASE status WHEN 'sent' THEN born + waited END,
        CASE WHEN status NOT IN ('pending', 'running') THEN born + waited END, CASE status WHEN 'failed' THEN 'InvalidRecipient: no' END,
        'Hello', CASE WHEN NOT old THEN repeat('<p>hello</p>', 40) END, 'hello', CASE status WHEN 'sent' THEN id::text END,
        CASE status WHEN 'sent' THEN (ARRAY['delivered', 'delivered', 'opened', 'bounced'])[1 + n %% 4] END, CASE WHEN old THEN born END
    FROM (
        SELECT n, gen_random_uuid() AS id, now() - (n::float8 / %(rows)s) * interval '40 days' AS born,
            now() + CASE WHEN n %% 3 = 0 THEN interval '1 hour' ELSE interval '-1 minute' END AS due,
            (0.2 + random() * 3) * interval '1 second' AS waited, n > %(rows)s * 0.75 AS old,
            CASE WHEN n <= %(waiting)s THEN CASE WHEN n %% 1000 = 0 THEN 'running' ELSE 'pending' END
                 WHEN n %% 100 = 0 THEN 'failed' WHEN n %% 101 = 0 THEN 'suppressed' ELSE 'sent' END AS status
        FROM generate_series(1, %(rows)s) n
    ) AS made
"""
LOGS = """
    INSERT INTO notification_event_logs (notification_id, event, occurred_at, attempt, detail)
    SELECT id, 'queued', created_at, NULL, '{}'::jsonb FROM notifications UNION ALL
    SELECT id, 'attempted', coalesce(finished_at, created_at), attempts,
        CASE status WHEN 'sent' THEN '{"outcome": "sent"}' ELSE '{"outcome": "failed", "error": "InvalidRecipient"}' END::jsonb
    FROM notifications WHERE attempts > 0
"""
STATEMENTS = {
    "notification_queue_status": "SELECT * FROM notification_queue_status",
    "notifications_dashboard_view": "SELECT * FROM notifications_dashboard_view",
    "notification_processing_timeline": "SELECT * FROM notification_processing_timeline",
    "notification_error_summary": "SELECT * FROM notification_error_summary",
    "failed_notifications_report, newest 100": "SELECT * FROM failed_notifications_report LIMIT 100",
    "notification_alerts()": "SELECT * FROM notification_alerts()",
    "get_queued_notifications(100)": "SELECT * FROM get_queued_notifications(100)",
    "queue_notification": "SELECT queue_notification('welcome', 'new@example.com')",
    "update_notification_status": "SELECT update_notification_status(id, lease_token, 'retry') FROM notifications"
    " WHERE status = 'running' LIMIT 1",
    "one timeline": "SELECT * FROM notification_event_logs WHERE notification_id = (SELECT id FROM notifications LIMIT 1)"
    " ORDER BY occurred_at",
    "one person's newest 50": "SELECT id FROM notifications WHERE lower(recipient_email) = 'user77@example.com'"
    " ORDER BY created_at DESC, id DESC LIMIT 50",
}
INSIDE = {
    "get_queued_notifications: the rows that wait": "SELECT id FROM notifications WHERE status = 'pending' AND next_attempt_at <= now()"
    " AND crashes < 5 ORDER BY next_attempt_at LIMIT 100 FOR UPDATE SKIP LOCKED",
    "retention: the next rows to erase": "SELECT id FROM notifications WHERE finished_at < now() - interval '30 days'"
    " AND finished_at IS NOT NULL AND erased_at IS NULL ORDER BY finished_at LIMIT 500 FOR UPDATE SKIP LOCKED",
}


@click.command()
@click.option("--rows", type=click.IntRange(10_000, 5_000_000), default=1_000_000, show_default=True)
@click.option("--waiting", type=click.IntRange(0, 1_000_000), default=10_000, show_default=True, help="So many of them are not sent yet.")
@click.option("--plans", is_flag=True, help="Print each plan.")
def main(rows: int, waiting: int, *, plans: bool) -> None:
    """Load, look, print."""
    console = Console(width=160)
    with platform() as environ, psycopg.connect(environ["DATABASE_URL"], autocommit=True) as connection:
        _load(connection, rows, waiting, console)
        table = Table("Statement", "ms", "Rows", "What it reads", box=None, header_style="bold")
        for name, statement in {**STATEMENTS, **INSIDE}.items():
            plan = _explained(connection, statement)
            table.add_row(name, f"{_milliseconds(plan):,.1f}", _rows(plan), ", ".join(_reads(plan)))
            if plans:
                console.print(f"\n[bold]{name}[/bold]\n{chr(10).join(plan)}", highlight=False)
        console.print(table)


def _load(connection: psycopg.Connection[Any], rows: int, waiting: int, console: Console) -> None:
    with console.status(f"Loading {rows:,} notifications with their logs …"):
        connection.execute("SET synchronous_commit = off")
        connection.execute(LOAD.encode(), {"rows": rows, "waiting": waiting})
        connection.execute(LOGS.encode())
        connection.execute(b"VACUUM ANALYZE notifications, notification_event_logs")
    size = (
        "SELECT pg_size_pretty(pg_total_relation_size('notifications')), pg_size_pretty(pg_total_relation_size('notification_event_logs'))"
    )
    row = connection.execute(size.encode()).fetchone()
    console.print(
        f"{rows:,} notifications, {waiting:,} of them waiting; with indexes {row[0] if row else ''}, logs {row[1] if row else ''}."
    )


def _size(connection: psycopg.Connection[Any], table: str) -> str:
    row = connection.execute(b"SELECT pg_size_pretty(pg_total_relation_size(%s::regclass))", (table,)).fetchone()
    return str(row[0]) if row else ""


def _explained(connection: psycopg.Connection[Any], statement: str) -> list[str]:
    """The second run's plan: the first one reads from disk what people look at all day."""
    for _ in range(2):
        plan = [row[0] for row in connection.execute(f"EXPLAIN (ANALYZE, BUFFERS, SETTINGS) {statement}".encode())]
    return plan


def _milliseconds(plan: list[str]) -> float:
    return sum(float(line.split()[2]) for line in plan if line.startswith(("Execution Time", "Planning Time")))


def _rows(plan: list[str]) -> str:
    found = re.search(r"actual time=\S+ rows=([\d.]+)", plan[0])
    return f"{float(found[1]):,.0f}" if found else ""


def _reads(plan: list[str]) -> list[str]:
    """The scans of the plan, by index or by table."""
    scans = [line.strip() for line in plan if "Scan" in line and " on " in line and "never executed" not in line]
    found = [re.search(r"(Index Only|Index|Seq|Bitmap Index) Scan(?: Backward)?(?: using (\w+))? on (\w+)", scan) for scan in scans]
    return sorted({f"{scan[1]} {scan[2] or scan[3]}" for scan in found if scan})


if __name__ == "__main__":
    main()
