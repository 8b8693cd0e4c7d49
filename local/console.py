"""What `make run` shows: one prefixed line at a time, in a colour for each process, and a table at the end."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime

from honcho.colour import get_colours
from honcho.printer import Message, Printer
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from settings import DEVELOPMENT_SECRETS, Settings


class Log:
    """The one writer of the terminal; honcho's printer, since its look is what people know from `foreman start`."""

    def __init__(self) -> None:
        self._printer = Printer(sys.stdout, width=len("simulator"))
        self._colours: dict[str, str] = {}
        self._palette = get_colours()

    def say(self, name: str, line: str) -> None:
        """Print ``line`` of the process ``name``."""
        if name not in self._colours:
            self._colours[name] = next(self._palette)
        # One instant for the eye at the terminal; nothing depends on it.
        now = datetime.now().astimezone()
        with suppress(OSError):  # the terminal may be gone, and what runs must still be stopped in order
            self._printer.write(Message(type="line", data=line, time=now, name=name, colour=self._colours[name]))


def show_table(environ: Mapping[str, str], lead: str | None) -> None:
    """Where everything is, and what to try next."""
    web, flower = f"http://127.0.0.1:{environ['PORT']}", f"http://127.0.0.1:{environ['FLOWER_PORT']}"
    table = Table(title="Redrive runs", title_justify="left", title_style="bold", show_header=False, box=box.ROUNDED)
    table.add_row("Operations health", f"{web}/admin/operations-health")
    table.add_row("Celery's tasks in Flower", flower)
    table.add_row("Login of both", _login(environ["FLOWER_BASIC_AUTH"]))
    table.add_row("Inbox of the simulator", environ["SIMULATOR_URL"])
    bought = f"--lead {lead}" if lead else "--credits 10"
    table.add_row("Try next, elsewhere", f"{_elsewhere(environ)}.venv/bin/redrive trigger checkout.session.completed {bought}")
    table.add_row("Stop", "Ctrl-C")
    wide = Console(width=200)
    Console(width=Measurement.get(wide, wide.options, table).maximum).print(table)  # a URL is to be clicked, so never cut


def _elsewhere(environ: Mapping[str, str]) -> str:
    """What another terminal has to be told when this one was told to use other places than the usual."""
    usual = {name: Settings.model_fields[name.lower()].default for name in ("PUBLIC_URL", "SIMULATOR_URL")}
    return "".join(f"{name}={environ[name]} " for name in usual if environ[name] != usual[name])


def _login(basic_auth: str) -> str:
    """The public demo login in words; a login of somebody's own is a secret."""
    demo = DEVELOPMENT_SECRETS["FLOWER_BASIC_AUTH"]
    return demo.replace(":", ", password ") if basic_auth == demo else "your FLOWER_BASIC_AUTH"
