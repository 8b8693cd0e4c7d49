"""How failed operations look on a terminal, and as JSON for programs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.json import JSON
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from sqlalchemy.orm import Session

from cli.moments import ago, utc
from models.audit_log import actions_on
from models.failed_operations import FailedOperation
from tasks.redaction import Redactor

WIDE = 110
FOR_PROGRAMS = 200
HEAVY = ("event_data", "error_stack")
NAMES = tuple(column.key for column in FailedOperation.__mapper__.column_attrs)


def terminal() -> Console:
    """As wide as the terminal; what is read by another program is not cut to 80 columns."""
    return Console() if sys.stdout.isatty() or "COLUMNS" in os.environ else Console(width=FOR_PROGRAMS)


def list_table(rows: Sequence[FailedOperation], *, now: datetime, width: int) -> Table:
    """One entry each; addresses that stand in an error are left out, ``show`` has them."""
    names = ("ID", "Type", "Task", "Reason", "Failed", "Tries", "Error") if width >= WIDE else ("ID", "Task", "Reason", "Failed", "Error")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name, no_wrap=name in {"ID", "Type", "Failed", "Tries"}, overflow="fold")
    for row in rows:
        cells = _cells(row, now)
        table.add_row(*(cells[name] for name in names))
    return table


def show_operation(session: Session, row: FailedOperation, console: Console) -> None:
    """Everything that is known."""
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(style="dim", no_wrap=True)
    for name, value in _facts(row):
        facts.add_row(name, Text(value))
    console.print(facts)
    console.print("\n[dim]The original[/dim]")
    console.print(JSON(json.dumps(row.event_data)))
    if row.error_stack:
        console.print("\n[dim]Stack[/dim]")
        console.print(Text(row.error_stack.rstrip()))
    actions = actions_on(session, row.id)
    if actions:
        console.print("\n[dim]Who did what[/dim]")
    for action in actions:
        console.print(Text(f"{utc(action.created_at)}  {action.action.partition('.')[2]} by {action.actor}"))


def as_json(row: FailedOperation, *, complete: bool = False) -> dict[str, Any]:
    """Every column, by its name; the data and the stack only if ``complete``."""
    values = {name: getattr(row, name) for name in NAMES if complete or name not in HEAVY}
    plain: dict[str, Any] = json.loads(json.dumps(values, default=_plain))
    return plain


def _cells(row: FailedOperation, now: datetime) -> dict[str, str]:
    return {
        "ID": str(row.id)[:8],
        "Type": row.operation_type,
        "Task": row.operation_name.removeprefix("tasks."),
        "Reason": _reason(row),
        "Failed": ago(now - row.last_failed_at),
        "Tries": f"{row.attempts} + {_count(row.retry_count, 'redrive')}" if row.retry_count else str(row.attempts),
        "Error": escape(Redactor().text(" ".join(row.error_message.split()))[:200]),
    }


def _facts(row: FailedOperation) -> list[tuple[str, str]]:
    facts = [
        ("ID", str(row.id)),
        ("Operation", f"{row.operation_type} {row.operation_id}"),
        ("Task", f"{row.operation_name}{f' [{row.task_id}]' if row.task_id else ''}"),
        ("Reason", row.reason),
        ("Error", f"{row.error_type}: {row.error_message}"),
        ("Failed", utc(row.last_failed_at) + (f", after {_count(row.attempts, 'attempt')}" if row.attempts else "") + _times(row)),
    ]
    if row.retry_count and row.last_retry_at:
        facts.append(("Redriven", f"{_count(row.retry_count, 'time')}, last {utc(row.last_retry_at)}"))
    if row.resolved_at:
        facts.append(("Resolved", f"{utc(row.resolved_at)} by {row.resolved_by}: {row.resolution_note or ''}"))
    elif row.needs_confirmation:
        facts.append(("Careful", "It may have happened already; running it again needs --confirm."))
    return facts


def _times(row: FailedOperation) -> str:
    return f"; {row.occurrences} times since {utc(row.created_at)}" if row.occurrences > 1 else ""


def _reason(row: FailedOperation) -> str:
    if row.resolved_at:
        return f"[green]{escape(row.reason)} (resolved)[/green]"
    return f"[yellow]{escape(row.reason)} (!)[/yellow]" if row.needs_confirmation else escape(row.reason)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
