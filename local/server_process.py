"""One real server in one folder, as an object that tests can stop, kill, pause and restart."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Self

import psutil

from local.address import Address, choose_address, read_address
from local.child_process import family, spawn
from local.errors import DiskFullError, FolderNotUsableError, LocalServerError, ServerDidNotStartError

START_SECONDS = 60  # recovery after a crash may take a while on a slow disk
STOP_SECONDS = 20
LOG_BYTES = 10_000_000
NOWHERE = Address(port=0, password="")


class ServerProcess(ABC):
    """A server that listens on loopback only, asks for a password, keeps its port, and ends with this process.

    ``settings`` are the server's own options and win over the ones here. ``url`` stays the same over ``restart()``.
    """

    name: ClassVar[str]
    needs_megabytes: ClassVar[int]
    stop_signal: ClassVar[signal.Signals]

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self.folder = folder.resolve()
        self.data = self.folder / "data"
        self.log = self.folder / "server.log"
        self.settings = dict(settings or {})
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def address(self) -> Address:
        return read_address(self.folder) or NOWHERE

    @property
    @abstractmethod
    def url(self) -> str:
        """Where the product connects to."""

    @abstractmethod
    def ping(self) -> None:
        """Ask the server something small; raises when it does not answer within 2 seconds."""

    @abstractmethod
    def _prepare(self) -> None:
        """Make the data folder ready for the first start."""

    @abstractmethod
    def _command(self) -> list[str]: ...

    def _greet(self) -> None:  # noqa: B027 - most servers need nothing
        """What is to be done as soon as the server answers."""

    @property
    def _user(self) -> str | None:
        """The system user to run as; None is this one."""
        return None

    def start(self) -> None:
        """Start and wait until it answers; does nothing when it runs already."""
        if self.running:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._check_room()
            self._end_leftover()
            choose_address(self.folder)
            self._prepare()
            if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
                self.log.unlink()
            self._launch()
        except PermissionError as error:
            raise FolderNotUsableError(f"{self.name} may not use {error.filename or self.folder}; it belongs to another user") from error
        except OSError as error:
            raise FolderNotUsableError(f"{self.name} cannot use {self.folder}: {error.strerror or error}") from error

    def stop(self) -> None:
        """Ask it to end in its own order and wait; kills it after 20 seconds."""
        self._end(self.stop_signal)

    def kill(self, signum: signal.Signals = signal.SIGKILL) -> None:
        """Send ``signum`` to the server's main process; for SIGKILL wait until it and its children are gone."""
        if signum == signal.SIGKILL:
            self._end(signum)
        elif self._process is not None:
            self._process.send_signal(signum)

    def pause(self) -> None:
        """Let the whole server hang: connections stay open and nothing answers."""
        _signal_all(self._family(), signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        _signal_all(self._family(), signal.SIGCONT)

    def restart(self) -> None:
        """Stop and start again with the same data and url."""
        self.stop()
        self.start()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def alive(self) -> bool:
        """Whether it runs and answers."""
        return self.running and self.answers()

    def answers(self) -> bool:
        """Whether the server of this folder answers, whoever started it."""
        try:
            self.ping()
        except Exception:  # noqa: BLE001 - every way of not answering is the same answer
            return False
        return True

    def _launch(self) -> None:
        self._process = spawn(self._command(), log=self.log, folder=self.folder, user=self._user, last_signal=self.stop_signal)
        (self.folder / "pid").write_text(str(self._process.pid))
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if not self.running or time.monotonic() > deadline:
                self.stop()
                raise self._start_error()
            time.sleep(0.02)
        self._greet()

    def _end(self, signum: signal.Signals) -> None:
        if self._process is None:
            return
        members = self._family()
        if self.running:
            self._process.send_signal(signum)
        _signal_all(members, signal.SIGCONT)  # a paused process notices nothing but SIGKILL
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        _, survivors = psutil.wait_procs(members, timeout=5)
        _signal_all(survivors, signal.SIGKILL)
        self._process.wait(STOP_SECONDS)
        (self.folder / "pid").unlink(missing_ok=True)

    def _family(self) -> list[psutil.Process]:
        return family(self._process) if self._process else []

    def _check_room(self) -> None:
        free = shutil.disk_usage(self.folder).free // 1_000_000
        if free < self.needs_megabytes:
            raise DiskFullError(f"{self.name} needs {self.needs_megabytes} MB in {self.folder}, but only {free} MB are free on that disk")

    def _end_leftover(self) -> None:
        """End a server that an earlier owner could not end (where the kernel does not do it): it holds the data."""
        with suppress(OSError, ValueError, psutil.Error):
            process = psutil.Process(int((self.folder / "pid").read_text()))
            if Path(process.cwd()).is_relative_to(self.folder):
                process.send_signal(self.stop_signal)
                process.wait(STOP_SECONDS)

    def _start_error(self) -> LocalServerError:
        lines = self.log.read_text(errors="replace").strip().splitlines() if self.log.exists() else []
        if any("No space left on device" in line for line in lines[-20:]):
            return DiskFullError(f"{self.name} cannot start because the disk that holds {self.folder} is full")
        last = f"its log {self.log} ends with: {lines[-1]}" if lines else "it wrote nothing"
        return ServerDidNotStartError(f"{self.name} did not start; {last}")


def _signal_all(processes: Iterable[psutil.Process], signum: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signum)
