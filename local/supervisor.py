"""Runs the Procfile's processes as a platform does: prefixed logs, restarts with a growing pause, SIGTERM and then SIGKILL."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from local.guard import Guard, signal_groups

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0
HEALTHY_AFTER_SECONDS = 20.0  # whoever ran this long starts again without a growing pause
PATIENCE_SECONDS = 30.0  # what Heroku gives a process between SIGTERM and SIGKILL
LONGEST_LINE = 1 << 20

Say = Callable[[str, str], None]


@dataclass
class Program:
    """One line of the Procfile, and the process that runs it now."""

    name: str
    command: list[str]
    environ: Mapping[str, str]
    process: asyncio.subprocess.Process | None = None
    keeper: asyncio.Task[None] | None = None
    ending: asyncio.Event = field(default_factory=asyncio.Event)


class Supervisor:
    """Starts programs in ``folder``, passes each line of their output to ``say(name, line)``, and keeps them running."""

    def __init__(self, folder: Path, guard: Guard, say: Say) -> None:
        self._folder = folder
        self._guard = guard
        self._say = say
        self._programs: dict[str, Program] = {}

    def keep(self, name: str, command: list[str], environ: Mapping[str, str]) -> None:
        """Start a program and start it again whenever it ends by itself."""
        program = Program(name, command, environ)
        self._programs[name] = program
        program.keeper = asyncio.create_task(self._keep(program))

    async def run_once(self, name: str, command: list[str], environ: Mapping[str, str]) -> int:
        """Run a program to its end and return its exit status."""
        program = self._programs[name] = Program(name, command, environ)
        try:
            return await self._run(program)
        finally:
            await self.stop([name])

    def pid(self, name: str) -> int | None:
        """The process that runs the program now; None while it is being started again."""
        program = self._programs.get(name)
        process = program.process if program else None
        return process.pid if process is not None and process.returncode is None else None

    async def stop(self, names: Iterable[str] | None = None) -> None:
        """End programs, all at once: SIGTERM to the whole group, SIGKILL to what is left of it after 30 seconds."""
        programs = [self._programs[name] for name in (list(self._programs) if names is None else names) if name in self._programs]
        await asyncio.gather(*(self._stop(program) for program in programs))

    def kill(self) -> None:
        """SIGKILL to everything, for a person who does not want to wait any more."""
        for program in self._programs.values():
            program.ending.set()
            if program.process is not None:
                signal_groups([program.process.pid], signal.SIGKILL)

    async def _keep(self, program: Program) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not program.ending.is_set():
            started = time.monotonic()
            status = await self._run(program)
            if program.ending.is_set():
                return
            if time.monotonic() - started > HEALTHY_AFTER_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            self._say("system", f"{program.name} ended by itself ({_meaning(status)}); starting it again in {pause:g} s")
            with suppress(TimeoutError):
                await asyncio.wait_for(program.ending.wait(), pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _run(self, program: Program) -> int:
        # A pipe of our own: with asyncio's, wait() would also wait for every child that outlived the process and kept its output.
        reading, writing = os.pipe()
        try:
            process = program.process = await asyncio.create_subprocess_exec(
                *program.command,
                cwd=self._folder,
                env=dict(program.environ),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                start_new_session=True,  # a Ctrl-C in the terminal is for the supervisor alone
            )
        finally:
            os.close(writing)
        self._guard.watch(process.pid)
        relay = asyncio.create_task(self._relay(program.name, reading))
        status = await process.wait()
        signal_groups([process.pid], signal.SIGKILL)  # children that outlived their parent would hold its ports
        await relay
        return status

    async def _relay(self, name: str, reading: int) -> None:
        output = asyncio.StreamReader(limit=LONGEST_LINE)
        pipe = os.fdopen(reading, "rb", buffering=0)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(output), pipe)
        with closing(transport):
            while not output.at_eof():
                with suppress(ValueError):  # longer than LONGEST_LINE; the reader has dropped it
                    line = await output.readline()
                    if line:
                        self._say(name, line.decode(errors="replace").rstrip())

    async def _stop(self, program: Program) -> None:
        program.ending.set()
        process = program.process
        if process is not None and process.returncode is None:
            signal_groups([process.pid], signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), PATIENCE_SECONDS)
            except TimeoutError:
                self._say("system", f"{program.name} did not end within {PATIENCE_SECONDS:g} s and is killed")
                signal_groups([process.pid], signal.SIGKILL)
        if program.keeper is not None:
            await program.keeper
        self._programs.pop(program.name, None)


def _meaning(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    return f"{signal.Signals(-status).name}"
