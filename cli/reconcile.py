"""``redrive reconcile``: take in the events that Stripe has and we never saw, now instead of at the next full hour."""

from __future__ import annotations

from datetime import UTC, datetime

import click
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import OperationalError

from cli.moments import Moment
from tasks.errors import ProviderAway
from tasks.reconciliation import KEPT_BY_STRIPE, reconcile, where_to_go_on


@click.command(name="reconcile")
@click.option("--since", type=Moment(), metavar="WHEN", help="2026-11-20, 2026-11-20T08:30+01:00, 90m, 12h, 7d; default: the last run.")
def reconcile_command(since: datetime | None) -> None:
    """List Stripe's events and take in every one that never came through the door.

    It runs every hour by itself, so that this is only for who does not want to wait. What is found is worked on by the workers,
    as if Stripe had delivered it; an event that is known is left alone. Stripe keeps events for 30 days.
    """
    console = Console()
    try:
        begin = max(since or where_to_go_on(), datetime.now(UTC) - KEPT_BY_STRIPE)
        with console.status("Asking Stripe …"):
            report = reconcile(begin)
    except ProviderAway as away:
        raise click.ClickException(f"{away} Run it again later; what was found so far is taken in.") from away
    except OperationalError:
        raise click.ClickException("The database does not answer: look at DATABASE_URL.") from None
    table = Table(show_header=False)
    table.add_row("Since", f"{begin.astimezone(UTC):%Y-%m-%d %H:%M} UTC")
    table.add_row("Events that Stripe lists", str(report["listed"]))
    table.add_row("New to us, and taken in", str(report["found"]))
    console.print(table)
