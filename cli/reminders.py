"""``redrive reminders``: sweep now, see what every source has due, and what was claimed."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from uuid import UUID

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from models.connection import transaction
from models.due_reminders import count_due
from models.heartbeats import heartbeats
from models.reminders_sent import ReminderSent, get_reminders_sent_for_entity, recent_reminders
from tasks import reminder_walk
from tasks.dead_man import failing_sources
from tasks.logs import configure_logging
from tasks.reminder_sweep import SweepReport, sweep
from tasks.reminder_walk import heartbeat_name, window_for
from tasks.reminders import ReminderSource, find_source, sources

AWAY = "The database does not answer: look at DATABASE_URL."


class SourceName(click.ParamType[ReminderSource]):
    """The name of a source on the shelf, such as "MEETING 24h"."""

    name = "source"

    def convert(self, value: str | ReminderSource, _parameter: click.Parameter | None, _context: click.Context | None) -> ReminderSource:
        found = value if isinstance(value, ReminderSource) else find_source(value)
        if found is None:
            raise click.BadParameter(f"there is no source called {value!r}; there are {', '.join(each.name for each in sources())}")
        return found


@click.group()
def reminders() -> None:
    """Look after the reminders."""
    configure_logging(logging.WARNING)


@reminders.command("sweep")
@click.option("--source", "only", type=SourceName(), default=None, help='Only this one, such as "MEETING 24h"; all by default.')
def sweep_now(only: ReminderSource | None) -> None:
    """Claim what is due and queue its mails, now instead of at the next half hour.

    A source that another sweep has in hand is left to it. What was claimed leaves through the workers.
    """
    console = Console()
    chosen = [only] if only else sources()
    try:
        with _bars(console) as bars:
            report = _sweep(chosen, bars)
    except DBAPIError:
        raise click.ClickException(AWAY) from None
    console.print(_report_table(chosen, report))
    if report["failed"]:
        raise click.ClickException(f"{', '.join(report['failed'])} raised; redrive failed list shows why.")


@reminders.command("list")
def list_sources() -> None:
    """Every source: what it sends when, what it has due now, and how its last sweep went."""
    try:
        with transaction() as session:
            table = _source_table(session)
    except DBAPIError:
        raise click.ClickException(AWAY) from None
    Console().print(table)


@reminders.command("sent")
@click.option("--type", "entity_type", metavar="TYPE", default=None, help="Only this entity type, such as MEETING.")
@click.option("--entity", "entity_id", type=click.UUID, default=None, help="Only this entity; needs --type.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
def show_sent(entity_type: str | None, entity_id: UUID | None, limit: int) -> None:
    """The newest claims, each with the mail that was queued with it."""
    if entity_id and not entity_type:
        raise click.UsageError("--entity needs --type: an id alone does not say of what.")
    try:
        with transaction() as session:
            if entity_type and entity_id:
                found = get_reminders_sent_for_entity(session, entity_type, entity_id)[:limit]
            else:
                found = recent_reminders(session, entity_type=entity_type, limit=limit)
    except DBAPIError:
        raise click.ClickException(AWAY) from None
    Console().print(_claim_table(found))


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:16}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[claimed]:,} claimed"),
        TextColumn("{task.fields[rate]:,.0f} rows/s"),
        TimeElapsedColumn(),
        console=console,
    )


def _sweep(chosen: list[ReminderSource], bars: Progress) -> SweepReport:
    with transaction() as session:
        now = session.execute(select(func.now())).scalar_one()
        due = {source.name: _count(session, source, now) for source in chosen}
    tasks = {name: bars.add_task(name, total=count, claimed=0, rate=0.0) for name, count in due.items()}

    def show(step: reminder_walk.Progress) -> None:
        bars.update(tasks[step.source], completed=step.due, claimed=step.claimed, rate=step.due / step.seconds)

    return sweep(chosen, now=now, on_progress=show)


def _count(session: Session, source: ReminderSource, now: datetime) -> int | None:
    """What the sweep will look at; None for a source that raises, which the sweep itself then reports."""
    try:
        with session.begin_nested():
            return count_due(session, source, window_for(session, source, now))
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        return None


def _report_table(chosen: list[ReminderSource], report: SweepReport) -> Table:
    table = Table("Source", "Claimed", "Outcome")
    for source in chosen:
        error = report["failed"].get(source.name)
        outcome = f"[red]raised {error}[/]" if error else "in another sweep's hands" if source.name in report["busy"] else "complete"
        table.add_row(source.name, f"{report['claimed'][source.name]:,}", outcome)
    return table


def _source_table(session: Session) -> Table:
    now, beats, failing = session.execute(select(func.now())).scalar_one(), heartbeats(session), failing_sources(session)
    table = Table("Source", "Email", "Before", "Late limit", "In the window", "Last complete sweep (UTC)", "Claimed then", "State")
    for source in sources():
        row, count = beats.get(heartbeat_name(source)), _count(session, source, now)
        table.add_row(
            source.name,
            source.email,
            _words(source.lead.total_seconds()),
            _words(source.late_limit.total_seconds()),
            "?" if count is None else f"{count:,}",
            _moment(row.last_success_at if row else None),
            f"{row.detail.get('claimed', 0):,}" if row else "",
            f"[red]{failing[source.name]}[/]" if source.name in failing else "well",
        )
    return table


def _claim_table(found: list[ReminderSent]) -> Table:
    table = Table("Claimed (UTC)", "Entity", "Reminder", "Event (UTC)")
    for title in ("Entity id", "Notification id"):
        table.add_column(title, overflow="fold")
    for claim in found:
        ids = str(claim.entity_id), str(claim.id)
        table.add_row(_moment(claim.claimed_at), claim.entity_type, claim.reminder_type, _moment(claim.occurrence), *ids)
    return table


def _moment(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}" if moment else "never"


def _words(seconds: float) -> str:
    return f"{seconds / 3600:g} h" if seconds >= 3600 else f"{seconds / 60:g} min"  # noqa: PLR2004 - an hour
