"""The supervisor keeps processes running as a platform does, and leaves none behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from local.guard import Guard
from local.supervisor import Supervisor
from tests.eventually import eventually

Lines = list[tuple[str, str]]
Scene = Callable[[Supervisor, Lines], Awaitable[None]]


def play(scene: Scene, folder: Path) -> Lines:
    """Run ``scene`` with a supervisor and return every line that was said."""
    lines: Lines = []

    async def stage() -> None:
        with Guard() as guard:
            supervisor = Supervisor(folder, guard, lambda name, line: lines.append((name, line)))
            try:
                await asyncio.wait_for(scene(supervisor, lines), 30)
            finally:
                await supervisor.stop()

    asyncio.run(stage())
    return lines


async def said(lines: Lines, words: str) -> None:
    await asyncio.to_thread(eventually, lambda: any(words in line for _, line in lines), 30)


def shell(script: str) -> list[str]:
    return ["/bin/sh", "-c", script]


def python(script: str) -> list[str]:
    return [sys.executable, "-c", script]


def test_lines_carry_the_name_of_their_process_and_never_mix(tmp_path: Path) -> None:
    async def scene(supervisor: Supervisor, lines: Lines) -> None:
        for name in ("one", "two"):
            supervisor.keep(name, shell(f"for i in $(seq 200); do echo {name} says $i; done; sleep 60"), os.environ)
        await asyncio.gather(said(lines, "one says 200"), said(lines, "two says 200"))

    lines = play(scene, tmp_path)
    assert all(line == f"{name} says {line.rsplit(' ', 1)[1]}" for name, line in lines)
    assert len(lines) == 400


def test_a_process_that_ends_by_itself_is_started_again_and_that_is_said(tmp_path: Path) -> None:
    async def scene(supervisor: Supervisor, lines: Lines) -> None:
        supervisor.keep("worker", shell("test -e second && { echo hello again; sleep 60; }; touch second; exit 3"), os.environ)
        await said(lines, "hello again")

    assert play(scene, tmp_path)[0] == ("system", "worker ended by itself (exit status 3); starting it again in 1 s")


def test_a_killed_process_is_named_by_its_signal(tmp_path: Path) -> None:
    async def scene(supervisor: Supervisor, lines: Lines) -> None:
        supervisor.keep("worker", shell("kill -9 $$"), os.environ)
        await said(lines, "ended by itself (SIGKILL)")

    play(scene, tmp_path)


def test_stopping_lets_a_process_finish_what_it_does(tmp_path: Path) -> None:
    async def scene(supervisor: Supervisor, lines: Lines) -> None:
        supervisor.keep("worker", shell("trap 'echo finishing; exit 0' TERM; echo up; while :; do sleep 0.05; done"), os.environ)
        await said(lines, "up")

    assert ("worker", "finishing") in play(scene, tmp_path)


def test_what_does_not_stop_in_time_is_killed_with_its_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.supervisor.PATIENCE_SECONDS", 0.3)

    async def scene(supervisor: Supervisor, lines: Lines) -> None:
        supervisor.keep("deaf", shell("trap '' TERM; sleep 61.5 & echo up; while :; do sleep 0.05; done"), os.environ)
        await said(lines, "up")

    assert ("system", "deaf did not end within 0.3 s and is killed") in play(scene, tmp_path)
    assert not running("sleep 61.5")


def test_children_do_not_outlive_a_process_that_ended(tmp_path: Path) -> None:
    async def scene(supervisor: Supervisor, lines: Lines) -> None:
        supervisor.keep("careless", shell("sleep 62.5 & exit 1"), os.environ)
        await said(lines, "careless ended by itself")

    play(scene, tmp_path)
    assert not running("sleep 62.5")


def test_a_line_without_end_does_not_stop_the_log(tmp_path: Path) -> None:
    async def scene(supervisor: Supervisor, lines: Lines) -> None:
        supervisor.keep("long", python("print('x' * 3_000_000); print('next', flush=True); import time; time.sleep(60)"), os.environ)
        await said(lines, "next")

    play(scene, tmp_path)


def test_running_once_returns_the_exit_status(tmp_path: Path) -> None:
    statuses: list[int] = []

    async def scene(supervisor: Supervisor, lines: Lines) -> None:
        del lines
        statuses.append(await supervisor.run_once("release", shell("echo migrated; exit 4"), os.environ))

    assert play(scene, tmp_path) == [("release", "migrated")]
    assert statuses == [4]


SUPERVISE = """
import asyncio, os, sys
from pathlib import Path
from local.guard import Guard
from local.supervisor import Supervisor

async def main():
    with Guard() as guard:
        supervisor = Supervisor(Path("."), guard, lambda name, line: print(line, flush=True))
        supervisor.keep("child", ["/bin/sh", "-c", "echo up; sleep 63.5"], os.environ)
        await asyncio.sleep(60)

asyncio.run(main())
"""


def test_nothing_is_left_when_the_supervisor_itself_is_killed() -> None:
    with subprocess.Popen(python(SUPERVISE), stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        assert supervisor.stdout.readline() == "up\n"
        assert running("sleep 63.5")
        supervisor.send_signal(signal.SIGKILL)
    eventually(lambda: not running("sleep 63.5"))
    eventually(lambda: not [process for process in running("local.guard") if process.ppid() == 1], within_seconds=5)


def running(words: str) -> list[psutil.Process]:
    return [process for process in psutil.process_iter(["cmdline"]) if words in " ".join(process.info["cmdline"] or [])]
