"""How failed operations look on a terminal, and as JSON for programs."""

from __future__ import annotations

import json
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

HEAVY = ("event_data", "error_stack")
NAMES = tuple(column.key for column in FailedOperation.__mapper__.column_attrs)


def list_table(rows: Sequence[FailedOperation], *, now: datetime) -> Table:
    """One line each; addresses that stand in an error are left out, ``show`` has them."""
    redact = Redactor()
    table = Table("ID", "Type", "Task", "Reason", "Failed", "Tries", "Error", box=None, pad_edge=False, header_style="bold")
    for column in table.columns[:-1]:
        column.no_wrap = True
    for row in rows:
        table.add_row(
            str(row.id)[:8],
            row.operation_type,
            row.operation_name.removeprefix("tasks."),
            _reason(row),
            ago(now - row.last_failed_at),
            _tries(row),
            escape(redact.text(" ".join(row.error_message.split()))[:200]),
        )
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


def _facts(row: FailedOperation) -> list[tuple[str, str]]:
    facts = [
        ("ID", str(row.id)),
        ("Operation", f"{row.operation_type} {row.operation_id}"),
        ("Task", f"{row.operation_name}{f' [{row.task_id}]' if row.task_id else ''}"),
        ("Reason", row.reason),
        ("Error", f"{row.error_type}: {row.error_message}"),
        ("Failed", f"{utc(row.last_failed_at)}, after {row.attempts} attempts" + _times(row)),
    ]
    if row.retry_count and row.last_retry_at:
        facts.append(("Redriven", f"{row.retry_count} times, last {utc(row.last_retry_at)}"))
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


def _tries(row: FailedOperation) -> str:
    return f"{row.attempts} + {row.retry_count} redrives" if row.retry_count else str(row.attempts)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
