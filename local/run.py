"""``make run``: servers, migrations, demo data, the simulator, exactly the Procfile's processes, and a table of where they are."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from io import FileIO
from pathlib import Path

from local.child_process import end_with_parent
from local.console import Log, show_table
from local.environment import check_ports, run_environment
from local.errors import LocalServerError
from local.guard import Guard
from local.locks import take_if_free
from local.procfile import ONE_OFF, read_procfile, shell_command
from local.readiness import checks, until_ready
from local.seed import seed
from local.servers import FOLDER, PROJECT, VARIABLES, held_locks, leave, local_urls
from local.supervisor import Supervisor
from settings import get_settings

SIMULATOR = "simulator"
ONE_WISH_SECONDS = 1.0  # make passes on a SIGTERM that its whole group got: the same wish heard twice


class ReleaseFailedError(LocalServerError):
    """The ``release`` line of the Procfile ended with an error."""


class AlreadyRunningError(LocalServerError):
    """Another ``make run`` uses this folder."""


async def run(environ: Mapping[str, str], folder: Path) -> None:
    """Start everything in ``environ``, stay until SIGINT, SIGTERM or SIGHUP, and stop everything; files go to ``folder``."""
    log, leaving = Log(), asyncio.Event()
    with Guard(held_locks()) as guard:
        supervisor = Supervisor(PROJECT, guard, log.say)
        _on_signals(leaving, supervisor, log)
        starting = asyncio.create_task(_start(supervisor, environ, folder))
        staying = asyncio.create_task(leaving.wait())
        try:
            await asyncio.wait({starting, staying}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                await starting  # raises what went wrong
                await staying
        finally:
            starting.cancel()
            staying.cancel()
            await supervisor.stop([ONE_OFF, *read_procfile()])
            await supervisor.stop([SIMULATOR])  # after the workers: they may have been sending a mail


async def _start(supervisor: Supervisor, environ: Mapping[str, str], folder: Path) -> None:
    processes = read_procfile()
    status = await supervisor.run_once(ONE_OFF, shell_command(processes.pop(ONE_OFF)), environ)
    if status:
        raise ReleaseFailedError(f"The release line of the Procfile failed with exit status {status}; its own words are above")
    lead = await asyncio.to_thread(seed)
    ready = checks(environ)
    settings = get_settings()
    if settings.uses_simulator or settings.stripe_api_url.startswith(settings.simulator_url):
        command = [sys.executable, "-m", "simulator", "--automatic-events", "--data-folder", str(folder / SIMULATOR)]
        supervisor.keep(SIMULATOR, command, environ)
        await until_ready(SIMULATOR, ready[SIMULATOR])
    for name, line in processes.items():
        supervisor.keep(name, shell_command(line), environ)
    await asyncio.gather(*(until_ready(name, ready[name]) for name in processes))
    show_table(environ, lead)


def _on_signals(leaving: asyncio.Event, supervisor: Supervisor, log: Log) -> None:
    first = 0.0

    def leave_or_kill() -> None:
        nonlocal first
        if not leaving.is_set():
            leaving.set()
            first = time.monotonic()
            log.say("system", "stopping; once more to kill")
        elif time.monotonic() - first > ONE_WISH_SECONDS:
            log.say("system", "killing what is left")
            supervisor.kill()

    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(signum, leave_or_kill)


def main() -> None:
    """Run in this project's folder for local data, or in the one named; whatever is in the way is one sentence and exit status 1."""
    folder = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else FOLDER
    if os.environ.get("MAKELEVEL"):
        end_with_parent(os.getppid(), signal.SIGTERM)  # make itself may be killed, and would leave this running
    if os.environ.get("REDRIVE_ENV") == "production":
        sys.exit("`make run` is for development; with REDRIVE_ENV=production start the lines of the Procfile")
    try:
        with closing(_only_run_in(folder)):
            environ = run_environment(os.environ, folder)
            check_ports(environ)
            environ |= local_urls([name for name in VARIABLES if name not in environ], folder)
            os.environ.update(environ)
            asyncio.run(run(environ, folder))
            leave()
            print(f"Redrive has stopped; its data stays in {folder}")
    except LocalServerError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:  # while the servers start; later it is a wish that `run` hears
        leave()
        sys.exit("\nStopped before everything was started")


def _only_run_in(folder: Path) -> FileIO:
    lock = take_if_free(folder / "run.lock")
    if lock is None:
        raise AlreadyRunningError("`make run` runs in this folder already; stop that one first (Ctrl-C in its terminal)")
    return lock


if __name__ == "__main__":
    main()
