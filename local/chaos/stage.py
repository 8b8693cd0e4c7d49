"""Servers, simulator and the Procfile's processes of one run, in a folder of their own, as things that can be broken."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import ExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import psutil

from local.chaos.story import BROKEN_DOMAIN
from local.environment import run_environment
from local.guard import Guard
from local.ports import free_port
from local.postgres import Postgres
from local.procfile import PROCFILE, read_procfile, shell_command
from local.readiness import checks, until_ready
from local.redis_server import RedisServer
from local.supervisor import Supervisor
from settings import get_settings
from simulator.control import SimulatorClient, start_simulator
from simulator.script import Rule, fails

WORKERS = ("worker", "worker2")
PROMISED_SECONDS = 25  # from SIGTERM to the end of a process
HURRIED = {
    "LEASE_SECONDS": "8",
    "SWEEP_SECONDS": "1",
    "VISIBILITY_TIMEOUT_SECONDS": "12",
    "PUBLISH_GRACE_SECONDS": "2",
    "CANARY_SECONDS": "3",
}
ALWAYS = (Rule(name="refused for good", to=f"*@{BROKEN_DOMAIN}", action=fails("validation_error", message="Invalid `to` field.")),)


class Stage:
    """What a fault may break; ``processes`` are kept running by the supervisor as a platform would."""

    def __init__(self, postgres: Postgres, redis: RedisServer, mail: SimulatorClient, log: TextIO) -> None:
        self.postgres, self.redis, self.mail = postgres, redis, mail
        self.slow_to_stop: list[str] = []
        self._log = log
        self._supervisor: Supervisor | None = None

    def say(self, name: str, line: str) -> None:
        """One line of one process, or about what was done to it."""
        moment = datetime.now(UTC).strftime("%H:%M:%S.%f")[:-3]
        print(f"{moment} {name:8} | {line}", file=self._log)

    def family(self, name: str) -> list[psutil.Process]:
        """The program and its children that live now, the program first; empty while it is being started again."""
        pid = self._supervisor.pid(name) if self._supervisor else None
        try:
            program = psutil.Process(pid) if pid else None
            return [program, *program.children(recursive=True)] if program else []
        except psutil.NoSuchProcess:
            return []

    async def stop_gently(self, name: str) -> None:
        """As a platform does at a deploy: SIGTERM to every process of the program; it is started again when it has ended."""
        family = self.family(name)
        send(family, signal.SIGTERM)
        deadline = time.monotonic() + PROMISED_SECONDS
        while family and family[0].is_running() and family[0].status() != psutil.STATUS_ZOMBIE:
            if time.monotonic() > deadline:
                self._note_slow(name, family)
                return
            await asyncio.sleep(0.1)

    async def end(self, supervisor: Supervisor) -> None:
        """Stop everything for good, and note who takes longer than promised."""
        stopping = asyncio.create_task(supervisor.stop())
        await asyncio.wait({stopping}, timeout=PROMISED_SECONDS)
        for name in () if stopping.done() else ("web", "beat", *WORKERS):
            self._note_slow(name, self.family(name))
        await stopping

    def _note_slow(self, name: str, family: list[psutil.Process]) -> None:
        if family:
            self.slow_to_stop.append(name)
            send(family[:1], signal.SIGABRT)  # makes Python write what it was doing into the log

    def script_mail(self, *rules: Rule) -> None:
        """How the provider misbehaves from now on; an address that is always refused stays so."""
        self.mail.script_resend(rules=[*ALWAYS, *rules])

    async def start_processes(self, supervisor: Supervisor, environ: dict[str, str]) -> None:
        """Web, beat and two workers, each ready."""
        self._supervisor = supervisor
        lines = read_procfile()
        supervisor.keep("web", shell_command(lines["web"]), environ)
        supervisor.keep("beat", shell_command(lines["beat"]), environ)
        for name in WORKERS:
            supervisor.keep(name, shell_command(f"{lines['worker']} --hostname={name}@%h"), environ)
        ready = checks(environ) | {"worker": lambda: all(len(self.family(name)) > 1 for name in WORKERS)}
        await asyncio.gather(*(until_ready(name, ready[name]) for name in ("web", "beat", "worker")))


def send(processes: Iterable[psutil.Process], signum: signal.Signals) -> None:
    """Send a signal to those of the processes that still live."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signum)


@asynccontextmanager
async def stage(folder: Path, *, hurry: bool) -> AsyncIterator[Stage]:
    """Everything started and migrated; the settings of this process point at it. Nothing is left running afterwards."""
    with ExitStack() as stack:
        postgres = stack.enter_context(Postgres(folder / "postgres"))
        broker = stack.enter_context(RedisServer(folder / "redis"))
        mail = stack.enter_context(start_simulator())
        mail.script_resend(keep_bodies=False)
        environ = _environment(folder, postgres.url, broker.url, hurry=hurry) | mail.environment()
        os.environ.update(environ)
        get_settings.cache_clear()
        await asyncio.to_thread(subprocess.run, [sys.executable, "-m", "migrations"], cwd=PROCFILE.parent, check=True)
        log = stack.enter_context((folder / "processes.log").open("w", buffering=1))
        built = Stage(postgres, broker, mail, log)
        supervisor = Supervisor(PROCFILE.parent, stack.enter_context(Guard()), built.say)
        built.script_mail()
        try:
            await built.start_processes(supervisor, environ)
            yield built
        finally:
            await built.end(supervisor)


def _environment(folder: Path, database_url: str, redis_url: str, *, hurry: bool) -> dict[str, str]:
    own = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "PORT": str(free_port()), "FLOWER_PORT": str(free_port())}
    plain = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return run_environment({**plain, **own, "PYTHONFAULTHANDLER": "1", **(HURRIED if hurry else {})}, folder)
