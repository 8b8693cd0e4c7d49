"""``redrive failed``: read the dead letters, run them again, or resolve them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import click
from sqlalchemy.orm import Session

from cli.actor import actor
from cli.failed_operation_views import as_json, list_table, show_operation, terminal
from cli.moments import Moment
from cli.outage import told_in_a_sentence
from models.connection import transaction
from models.failed_operation_lists import Filters, count_operations, list_operations
from models.failed_operations import FailedOperation
from tasks.redrive_errors import ConfirmationNeeded, RedriveRefused, UnknownOperation
from tasks.redriving import find_operation, redrive_matching, redrive_operation, resolve_operation_by_hand

Command = TypeVar("Command", bound=Callable[..., Any])
FILTERS = (
    click.option("--type", "operation_type", type=click.Choice(["email", "webhook", "job"]), help="Only these operations."),
    click.option("--reason", help="Only this reason, for example retries_exhausted."),
    click.option("--task", "operation_name", help="Only this task, for example tasks.send_purchase_email."),
    click.option("--since", type=Moment(), metavar="WHEN", help="Failed since 2026-11-20, 90m, 12h, 7d."),
)


def filtered(command: Command) -> Command:
    """Add the options that choose operations."""
    for option in reversed(FILTERS):
        command = option(command)
    return command


@click.group()
def failed() -> None:
    """Read the dead letters, run them again, resolve them."""


@failed.command("list")
@filtered
@click.option("--all", "everything", is_flag=True, help="Also those that are resolved.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--json", "wants_json", is_flag=True, help="For programs: one JSON array.")
def list_command(*, everything: bool, limit: int, wants_json: bool, **wanted: Any) -> None:
    """What waits for a person, the newest first."""
    filters = Filters(resolved=None if everything else False, **wanted)
    with told_in_a_sentence(), transaction() as session:
        page = list_operations(session, filters, limit=limit)
        total = count_operations(session, filters)
    if wants_json:
        click.echo(json.dumps([as_json(row) for row in page.rows], indent=2))
    elif not page.rows:
        click.echo("No failed operation matches." if any(wanted.values()) else "Nothing has failed.")
    else:
        console = terminal()
        console.print(list_table(page.rows, now=datetime.now(UTC), width=console.width))
        more = f" (the newest {len(page.rows)} of {total})" if page.next else ""
        console.print(f"{total} in all{more}. Next: redrive failed show {str(page.rows[0].id)[:8]}", style="dim", highlight=False)


@failed.command()
@click.argument("operation", metavar="ID")
@click.option("--json", "wants_json", is_flag=True, help="For programs: one JSON object.")
def show(operation: str, *, wants_json: bool) -> None:
    """Everything about one: the error, its stack, the original event or email, who did what. ID may be shortened."""
    with told_in_a_sentence(), transaction() as session:
        row = session.get(FailedOperation, find_operation(session, operation))
        if row is None:
            raise UnknownOperation(operation)
        if wants_json:
            click.echo(json.dumps(as_json(row, complete=True), indent=2))
        else:
            show_operation(session, row, terminal())


@failed.command()
@click.argument("operations", metavar="[ID]...", nargs=-1)
@click.option("--all-matching", is_flag=True, help="All that the options choose, instead of IDs.")
@filtered
@click.option("--limit", type=click.IntRange(1, 10_000), default=1000, show_default=True, help="At most so many at once.")
@click.option("--confirm", "confirmed", is_flag=True, help="Also where the effect may then happen twice.")
def retry(*, operations: tuple[str, ...], all_matching: bool, limit: int, confirmed: bool, **wanted: Any) -> None:
    """Run failed operations again, once their cause is repaired."""
    if all_matching == bool(operations):
        raise click.UsageError("Name operations by their IDs, or choose them with --all-matching and its options; not both, not neither.")
    if operations and any(wanted.values()):
        raise click.UsageError("--type, --reason, --task and --since choose operations only together with --all-matching.")
    if all_matching:
        with told_in_a_sentence():
            done = redrive_matching(Filters(**wanted), limit=limit, actor=actor(), confirmed=confirmed)
        redriven, refused = done.redriven, {str(row_id)[:8]: refusal for row_id, refusal in done.refused.items()}
    else:
        redriven, refused = _each(operations, partial(redrive_operation, actor=actor(), confirmed=confirmed))
    click.echo(f"{len(redriven)} on the way again." if redriven or not refused else "Nothing was run again.")
    _tell(refused)


@failed.command()
@click.argument("operations", metavar="ID...", nargs=-1, required=True)
@click.option("--note", required=True, help="What was done about it; kept with the operation.")
def resolve(*, operations: tuple[str, ...], note: str) -> None:
    """Mark failed operations as dealt with in another way."""
    if not note.strip():
        raise click.BadParameter("say in a few words what was done", param_hint="--note")
    resolved, refused = _each(operations, partial(resolve_operation_by_hand, actor=actor(), note=note.strip()))
    click.echo(f"{len(resolved)} resolved.")
    _tell(refused)


def _each(names: Sequence[str], act: Callable[[Session, UUID], object]) -> tuple[list[UUID], dict[str, RedriveRefused]]:
    """Do it to every operation, each in a transaction of its own; one that is refused does not hold up the others."""
    done, refused = [], {}
    for name in names:
        with told_in_a_sentence():
            try:
                with transaction() as session:
                    row_id = find_operation(session, name)
                    act(session, row_id)
                done.append(row_id)
            except RedriveRefused as refusal:
                refused[name] = refusal
    return done, refused


def _tell(refused: Mapping[str, RedriveRefused]) -> None:
    """Say why, and end with status 1 if anything was refused."""
    for name, refusal in refused.items():
        hint = " (--confirm)" if isinstance(refusal, ConfirmationNeeded) else ""
        click.echo(f"{name}: {refusal}{hint}", err=True)
    if refused:
        raise click.exceptions.Exit(1)
