"""``redrive email``: look at what we send."""

from __future__ import annotations

import tempfile
import webbrowser
from pathlib import Path

import click
import redis
from rich.console import Console
from rich.table import Table

import tasks.emails.shelf  # noqa: F401 - fills the shelf
from settings import settings_without_servers
from tasks.emails import kind_names, kind_of
from tasks.emails.errors import UnknownKind
from tasks.emails.parameters import known_time_zone
from tasks.emails.preview import Width, preview_page
from tasks.emails.rendering import render
from tasks.mail.provider_status import provider_status


def _time_zone(_context: click.Context, _parameter: click.Parameter, name: str) -> str:
    try:
        return known_time_zone(name)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.group()
def email() -> None:
    """Look at what we send, and whether it can be sent."""


@email.command("list")
def list_kinds() -> None:
    """Every kind, its subject and its retries."""
    settings = settings_without_servers()
    table = Table("Kind", "Subject (sample)", "Retries")
    for name in kind_names():
        kind = kind_of(name)
        table.add_row(kind.name, render(kind, kind.sample, settings).subject, str(kind.retries))
    Console().print(table)


@email.command()
def provider() -> None:
    """Whether the provider takes mails now: its rate limit, a used-up quota, the circuit breaker."""
    try:
        status = provider_status()
    except redis.RedisError as error:
        raise click.ClickException(f"Redis does not answer ({type(error).__name__}), so nothing is held back.") from error
    table = Table("What", "Now")
    for what, now in status.items():
        table.add_row(what, now)
    Console().print(table)


@email.command()
@click.argument("kind")
@click.option("--width", type=click.Choice(["phone", "desktop"]), default=None, help="Only this width; both by default.")
@click.option("--time-zone", default="UTC", show_default=True, callback=_time_zone, help="Where the reader reads times.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=None, help="Write the page here.")
@click.option("--open/--no-open", "opens", default=None, help="Show it in a browser; by default unless --out is given.")
def preview(*, kind: str, width: Width | None, time_zone: str, out: Path | None, opens: bool | None) -> None:
    """Show KIND with sample data."""
    try:
        wanted = kind_of(kind)
    except UnknownKind as error:
        raise click.BadParameter(str(error), param_hint="KIND") from error
    page = preview_page(wanted, settings_without_servers(), widths=(width,) if width else ("desktop", "phone"), time_zone=time_zone)
    target = out or Path(tempfile.gettempdir()) / f"redrive-email-{wanted.name}.html"
    target.write_text(page, encoding="utf-8")
    click.echo(f"{wanted.name}: {target}")
    if opens if opens is not None else out is None:
        webbrowser.open(target.resolve().as_uri())
