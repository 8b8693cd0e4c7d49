"""``redrive suppressions``: which addresses get no mail, and the operator's override."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.actor import actor
from cli.moments import ago
from cli.outage import told_in_a_sentence
from models import suppressions as stored
from models.audit_log import record_action
from models.connection import transaction


@click.group()
def suppressions() -> None:
    """Which addresses get no mail, and the operator's override."""


@suppressions.command("list")
@click.option("--all", "everything", is_flag=True, help="Also those that were lifted.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--json", "wants_json", is_flag=True, help="For programs: one JSON array.")
def list_command(*, everything: bool, limit: int, wants_json: bool) -> None:
    """The newest suppressed addresses, and why."""
    with told_in_a_sentence(), transaction() as session:
        rows = stored.suppressions(session, limit=limit, also_lifted=everything)
    if wants_json:
        names = ("email", "reason", "created_at", "lifted_at", "lifted_by")
        click.echo(json.dumps([{name: getattr(row, name) for name in names} for row in rows], indent=2, default=str))
    elif not rows:
        click.echo("No address is suppressed.")
    else:
        table = Table("Address", "Reason", "Since", "Lifted by", box=None, pad_edge=False, header_style="bold")
        for row in rows:
            address = "(a forgotten person)" if row.email.startswith("sha256:") else row.email
            table.add_row(escape(address), row.reason, ago(datetime.now(UTC) - row.created_at), escape(row.lifted_by or ""))
        Console().print(table)


@suppressions.command()
@click.argument("email")
def lift(email: str) -> None:
    """Let mail to EMAIL leave again; a later bounce or complaint suppresses it anew.

    The provider keeps a list of its own, from which the address has to be removed too.
    """
    with told_in_a_sentence(), transaction() as session:
        lifted = stored.lift(session, email, by=actor())
        if lifted:
            record_action(session, actor=actor(), action="suppression.lifted", subject_type="suppression", subject_id=None)
    if not lifted:
        raise click.ClickException("This address is not suppressed.")
    click.echo("Lifted. Mails to it leave from now on; those that were marked as suppressed stay so.")


@suppressions.command()
@click.argument("email")
def add(email: str) -> None:
    """Send no mail to EMAIL from now on."""
    if "@" not in email:
        raise click.BadParameter("this is no email address", param_hint="EMAIL")
    with told_in_a_sentence(), transaction() as session:
        stored.suppress(session, email, reason="operator", at=datetime.now(UTC))
        record_action(session, actor=actor(), action="suppression.added", subject_type="suppression", subject_id=None)
    click.echo("Suppressed.")
