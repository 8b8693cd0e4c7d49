"""How notifications look on a terminal, and as JSON for programs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from cli.moments import ago, utc
from models.notification_event_logs import NotificationEventLog
from models.notifications import Notification

COLOURS = {
    "sent": "green",
    "delivered": "green",
    "opened": "green",
    "clicked": "green",
    "deferred": "yellow",
    "delivery_delayed": "yellow",
    "running": "cyan",
    "suppressed": "yellow",
    "cancelled": "dim",
    "dropped": "dim",
    "failed": "red",
    "dead": "red",
    "bounced": "red",
    "complained": "red",
    "redriven": "cyan",
}


def list_table(rows: Sequence[Notification], *, now: datetime) -> Table:
    """One line each."""
    table = Table("ID", "Kind", "To", "Status", "Delivery", "Queued", "Tries", "Error", box=None, pad_edge=False, header_style="bold")
    for column in table.columns[:-1]:
        column.no_wrap = True
    for row in rows:
        table.add_row(
            str(row.id)[:8],
            row.notification_type,
            escape(row.recipient_email),
            _coloured(row.status),
            _coloured(row.delivery_status or ""),
            ago(now - row.created_at),
            str(row.attempts),
            escape(" ".join((row.last_error or "").split())[:120]),
        )
    return table


def show_notification(row: Notification, log: Sequence[NotificationEventLog], console: Console, *, subject: str | None) -> None:
    """What is known, and its timeline."""
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(style="dim", no_wrap=True)
    for name, value in _facts(row, subject):
        facts.add_row(name, value)
    console.print(facts)
    console.print("\n[dim]Timeline[/dim]")
    console.print(_timeline(log))


def as_json(row: Notification, log: Sequence[NotificationEventLog] | None = None) -> dict[str, Any]:
    """Every light column by its name, and the timeline if it is given."""
    names = [column.key for column in Notification.__mapper__.column_attrs if column.key not in {"payload", "html_body", "text_body"}]
    shown = {name: _plain(getattr(row, name)) for name in names}
    if log is not None:
        columns = ("event", "occurred_at", "attempt", "duration_ms", "actor", "detail")
        shown["timeline"] = [{name: _plain(getattr(line, name)) for name in columns} for line in log]
    return shown


def _facts(row: Notification, subject: str | None) -> list[tuple[str, Text]]:
    facts = [
        ("ID", str(row.id)),
        ("Email", f"{row.notification_type} to {row.recipient_email}"),
        ("Subject", subject),
        ("Status", row.status),
        ("Delivery", _at(row.delivery_status, row.delivery_status_at)),
        ("Queued", utc(row.created_at)),
        ("Not before", row.send_at and utc(row.send_at)),
        ("Next attempt", None if row.finished_at else utc(row.next_attempt_at)),
        ("Ended", row.finished_at and utc(row.finished_at)),
        ("Attempts", f"{row.attempts}{f', after {row.redrives} redrives' if row.redrives else ''}"),
        ("Last error", row.last_error),
        ("Dedupe key", row.dedupe_key),
        ("Provider's id", row.provider_message_id),
        (
            "Careful",
            row.outcome_unknown_at and f"it may have been sent: the outcome of an attempt since {utc(row.outcome_unknown_at)} is unknown",
        ),
        ("Erased", row.erased_at and f"its personal data were removed {utc(row.erased_at)}"),
    ]
    return [(name, Text(value, style=COLOURS.get(value, ""))) for name, value in facts if value]


def _at(word: str | None, moment: datetime | None) -> str | None:
    return f"{word}, {utc(moment)}" if word and moment else word


def _timeline(log: Sequence[NotificationEventLog]) -> Table:
    table = Table("When", "After", "What", "Try", "Took", "By", "Detail", box=None, pad_edge=False, header_style="bold")
    for column in table.columns[:-1]:
        column.no_wrap = True
    for line in log:
        table.add_row(
            f"{utc(line.occurred_at)[:-4]}.{line.occurred_at.microsecond // 1000:03}",
            _after(line.occurred_at - log[0].occurred_at),
            _coloured(line.event),
            "" if line.attempt is None else str(line.attempt),
            "" if line.duration_ms is None else f"{line.duration_ms} ms",
            escape(line.actor or ""),
            escape(", ".join(f"{name}: {value}" for name, value in line.detail.items())),
        )
    return table


def _after(time: timedelta) -> str:
    seconds = time.total_seconds()
    if abs(seconds) < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:+.2f} s"
    return f"{seconds / 60:+.0f} min" if abs(seconds) < 7200 else f"{seconds / 3600:+.1f} h"  # noqa: PLR2004 - two hours


def _coloured(word: str) -> str:
    colour = COLOURS.get(word)
    return f"[{colour}]{escape(word)}[/{colour}]" if colour else escape(word)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return value if value is None or isinstance(value, (bool, int, float, str, dict)) else str(value)
