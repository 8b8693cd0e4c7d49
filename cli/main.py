"""``redrive``: the operators' command line; each command is loaded when it is asked for."""

from __future__ import annotations

import ast
import logging
from importlib import import_module
from pathlib import Path

import click

COMMANDS = (
    "email: cli.email:email",
    "failed: cli.failed:failed",
    "notifications: cli.notifications:notifications",
    "reconcile: cli.reconcile:reconcile_command",
    "reminders: cli.reminders:reminders",
    "suppressions: cli.suppressions:suppressions",
    "trigger: cli.trigger:trigger",
)
"""``name: module:object``, one line for each command; a new command is a file of its own and a line here."""

PLACES = dict(line.split(": ", 1) for line in COMMANDS)


class LazyGroup(click.Group):
    """Knows its commands by name and imports only the one that runs, so that ``redrive --help`` answers at once."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return sorted(PLACES)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in PLACES:
            return None
        module, _, attribute = PLACES[name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        """Each command with what its file says of it in its first line, which is read without running the file."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, _purpose(PLACES[name].partition(":")[0])) for name in sorted(PLACES)])


def _purpose(module: str) -> str:
    source = (Path(__file__).parent / f"{module.rpartition('.')[2]}.py").read_text(encoding="utf-8")
    first_line = (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]
    purpose = first_line.partition("``: ")[2] or first_line
    return purpose[:1].upper() + purpose[1:]


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def redrive() -> None:
    """Look after Redrive: emails, webhooks and what could not be done."""
    from tasks.logs import configure_logging  # only here: `redrive --help` answers at once without it

    configure_logging(logging.WARNING)


if __name__ == "__main__":
    redrive()
