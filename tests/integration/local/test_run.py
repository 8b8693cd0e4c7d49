"""`make run` starts everything, says where it is, and leaves nothing behind, however it is ended."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from local.locks import is_taken, take
from local.ports import free_port
from local.procfile import PROCFILE
from tests.eventually import HopelessError, eventually


class Run:
    """One ``python -m local.run`` in a folder of its own."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self._log = folder / f"run-{os.urandom(4).hex()}.log"
        with self._log.open("wb") as output:
            command = [sys.executable, "-m", "local.run", str(folder)]
            self.process = subprocess.Popen(command, cwd=PROCFILE.parent, env=environ, stdout=output, stderr=output)
        self.members: list[psutil.Process] = []

    def log(self) -> str:
        return self._log.read_text()

    def wait_until_ready(self) -> None:
        def shown() -> bool:
            if self.process.poll() is not None:
                raise HopelessError(self.log())
            return "Redrive runs" in self.log()

        try:
            eventually(shown, 90)
        except AssertionError as error:
            raise AssertionError(f"not ready; its log ends with:\n{self.log()[-3000:]}") from error
        self.members = psutil.Process(self.process.pid).children(recursive=True)

    def end(self, signum: signal.Signals) -> int:
        self.process.send_signal(signum)
        return self.process.wait(60)

    def left(self) -> list[psutil.Process]:
        return [member for member in self.members if member.is_running() and member.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    ports = {"PORT": str(free_port()), "FLOWER_PORT": str(free_port()), "SIMULATOR_URL": f"http://127.0.0.1:{free_port()}"}
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "WEB_CONCURRENCY": "1"} | ports


@pytest.fixture
def running(tmp_path: Path, environ: dict[str, str]) -> Iterator[Run]:
    run = Run(tmp_path, environ)
    try:
        run.wait_until_ready()
        yield run
    finally:
        run.process.kill()
        run.process.wait()


@pytest.mark.slow
def test_everything_runs_and_a_killed_supervisor_leaves_nothing_so_that_it_can_start_again(
    running: Run, tmp_path: Path, environ: dict[str, str]
) -> None:
    web, flower, simulator = f"http://127.0.0.1:{environ['PORT']}", f"http://127.0.0.1:{environ['FLOWER_PORT']}", environ["SIMULATOR_URL"]
    assert requests.get(f"{web}/healthz", timeout=5).status_code == 200
    assert requests.get(simulator, timeout=5).status_code == 200
    assert requests.get(f"{flower}/api/workers", timeout=5).status_code == 401
    assert requests.get(f"{flower}/api/workers", auth=("demo", "demo"), timeout=5).status_code == 200
    lead = re.search(r"trigger checkout.session.completed --lead ([0-9a-f-]{36})", running.log())
    assert lead is not None

    running.end(signal.SIGKILL)
    eventually(lambda: not running.left(), 40)

    again = Run(tmp_path, environ)
    try:
        again.wait_until_ready()
        assert lead[1] in again.log()  # the data was found again
        assert again.end(signal.SIGINT) == 0
        assert not again.left()
    finally:
        again.process.kill()
        again.process.wait()


def test_ctrl_c_while_the_servers_start_is_one_sentence(tmp_path: Path, environ: dict[str, str]) -> None:
    run = Run(tmp_path, environ)
    keeper = tmp_path / "postgresql" / "keeper.log"
    try:
        eventually(keeper.exists, 30)
        assert run.end(signal.SIGINT) == 1
        assert run.log() == "\nStopped before everything was started\n"
        eventually(lambda: not is_taken(keeper.with_name("keeper.lock")), 30)
    finally:
        run.process.kill()
        run.process.wait()


def refused(folder: Path, environ: dict[str, str]) -> str:
    run = Run(folder, environ)
    assert run.process.wait(30) == 1
    return run.log()


def test_a_second_run_in_one_folder_is_one_sentence(tmp_path: Path, environ: dict[str, str]) -> None:
    first = take(tmp_path / "run.lock")
    assert refused(tmp_path, environ) == "`make run` runs in this folder already; stop that one first (Ctrl-C in its terminal)\n"
    first.close()


@pytest.mark.parametrize(("variable", "example"), [("PORT", "PORT=8001"), ("FLOWER_PORT", "FLOWER_PORT=5556")])
def test_a_busy_port_is_one_sentence_before_anything_starts(variable: str, example: str, tmp_path: Path, environ: dict[str, str]) -> None:
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", environ[variable]]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as other:
        eventually(lambda: requests.get(f"http://127.0.0.1:{environ[variable]}", timeout=1).ok, ignoring=(requests.RequestException,))
        port = environ[variable]
        expected = f"Port {port} is taken by another program; change {variable}, for example: {example} make run\n"
        assert refused(tmp_path, environ) == expected
        other.kill()
    assert not (tmp_path / "postgresql").exists()


def test_production_is_not_for_make_run(tmp_path: Path, environ: dict[str, str]) -> None:
    sentence = "`make run` is for development; with REDRIVE_ENV=production start the lines of the Procfile\n"
    assert refused(tmp_path, {**environ, "REDRIVE_ENV": "production"}) == sentence
