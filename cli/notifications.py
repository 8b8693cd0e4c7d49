"""``redrive notifications``: read the emails and their timelines, cancel one, forget a person; needs the database, but no worker."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from uuid import UUID

import click
from rich.console import Console
from sqlalchemy.orm import Session

from cli.actor import actor
from cli.moments import Moment
from cli.notification_views import as_json, list_table, show_notification
from cli.outage import told_in_a_sentence
from models.connection import transaction
from models.delivery_reports import FURTHER
from models.email_batches import mail_in_batch
from models.notification_lists import (
    STATUSES,
    Filters,
    cancel,
    get_notification,
    list_notifications,
    notifications_beginning_with,
    timeline,
)
from models.notifications import Notification
from tasks.forgetting import forget_person


@click.group()
def notifications() -> None:
    """Read the emails and their timelines, cancel one, forget a person."""


@notifications.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="Only these.")
@click.option("--delivery", "delivery_status", type=click.Choice(FURTHER), help="Only what the provider reported so.")
@click.option("--kind", "notification_type", help="Only this kind, for example welcome.")
@click.option("--to", "recipient_email", help="Only to this address.")
@click.option("--since", type=Moment(), metavar="WHEN", help="Queued since 2026-11-20, 90m, 12h, 7d.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--json", "wants_json", is_flag=True, help="For programs: one JSON array.")
def list_command(*, limit: int, wants_json: bool, **wanted: str | datetime | None) -> None:
    """The newest emails that match."""
    with told_in_a_sentence(), transaction() as session:
        page = list_notifications(session, Filters(**wanted), limit=limit)  # type: ignore[arg-type]
    if wants_json:
        click.echo(json.dumps([as_json(row) for row in page.rows], indent=2))
    elif not page.rows:
        click.echo("No email matches." if any(wanted.values()) else "No email was queued so far.")
    else:
        console = Console()
        console.print(list_table(page.rows, now=datetime.now(UTC)))
        more = f"The newest {limit}; there are more. " if page.next else ""
        console.print(f"{more}Next: redrive notifications show {str(page.rows[0].id)[:8]}", style="dim", highlight=False)


@notifications.command()
@click.argument("notification", metavar="ID")
@click.option("--json", "wants_json", is_flag=True, help="For programs: one JSON object.")
def show(notification: str, *, wants_json: bool) -> None:
    """Everything that happened to one email, as a timeline. ID may be shortened."""
    with told_in_a_sentence(), transaction() as session:
        row = _find(session, notification)
        log = timeline(session, row.id)
        subject = row.subject or _subject_in_batch(session, row)
    if wants_json:
        click.echo(json.dumps(as_json(row, log) | {"subject": subject}, indent=2))
    else:
        show_notification(row, log, Console(), subject=subject)


@notifications.command("cancel")
@click.argument("names", metavar="ID...", nargs=-1, required=True)
def cancel_command(names: tuple[str, ...]) -> None:
    """Cancel emails that have not left."""
    refused = 0
    for name in names:
        with told_in_a_sentence(), transaction() as session:
            row = _find(session, name)
            cancelled = cancel(session, row.id, actor=actor())
        refused += not cancelled
        said = "cancelled" if cancelled else f"not cancelled: it is {row.status}, and only what has certainly not left can be"
        click.echo(f"{str(row.id)[:8]}: {said}", err=not cancelled)
    if refused:
        raise click.exceptions.Exit(1)


@notifications.command("forget-person")
@click.argument("email")
@click.option("--yes", is_flag=True, help="Do not ask.")
def forget_person_command(email: str, *, yes: bool) -> None:
    """Remove everything that names EMAIL from every table; it cannot be undone.

    Emails to the address that have not left are cancelled. The audit log says that somebody was forgotten, and not who.
    """
    if "@" not in email:
        raise click.BadParameter("this is no email address", param_hint="EMAIL")
    if not yes:
        click.confirm("Every trace of this address will be removed. Go on?", abort=True)
    with told_in_a_sentence():
        done = forget_person(email, actor=actor())
    for table, count in sorted((+done.changed).items()):
        click.echo(f"{table}: {count}")
    if not +done.changed:
        click.echo("Nothing named this address.")
    for reason, count in (+done.kept).items():
        click.echo(f"Kept: {count} {reason}. Run this again when they are over.", err=True)
    if +done.kept:
        raise click.exceptions.Exit(1)


def _subject_in_batch(session: Session, row: Notification) -> str | None:
    """Of a mail that left in a batch, where its words are kept."""
    mail = mail_in_batch(session, row.id, row.batch_id) if row.batch_id else None
    return None if mail is None else str(mail["subject"])


def _find(session: Session, id_or_beginning: str) -> Notification:
    found: list[UUID] = notifications_beginning_with(session, id_or_beginning.strip())
    if len(found) > 1:
        raise click.ClickException(f"More than one email's id begins with {id_or_beginning}: give more of it.")
    row = get_notification(session, found[0]) if found else None
    if row is None:
        raise click.ClickException(f"There is no email whose id begins with {id_or_beginning}.")
    return row
