"""Ends what a supervisor left behind: reads process groups from standard input and, when that closes, stops those still alive."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

import psutil

PATIENCE_SECONDS = 30.0


class Guard:
    """A process of its own that outlives this one for as long as it takes to stop what this one started, even after a SIGKILL.

    It holds the locks ``keeping`` for as long, so that what is being stopped still has its servers.
    """

    def __init__(self, keeping: tuple[int, ...] = ()) -> None:
        self._keeping = keeping

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "local.guard"],
            cwd=Path(__file__).resolve().parent.parent,
            stdin=subprocess.PIPE,
            start_new_session=True,
            pass_fds=self._keeping,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def watch(self, group: int) -> None:
        """Remember the process group ``group``."""
        if self._process.stdin is not None:
            self._process.stdin.write(f"{group}\n")
            self._process.stdin.flush()


def end_groups(groups: list[int], patience_seconds: float = PATIENCE_SECONDS) -> None:
    """SIGTERM to every group that lives, SIGKILL to those that are left after ``patience_seconds``."""
    signal_groups(groups, signal.SIGTERM)
    deadline = time.monotonic() + patience_seconds
    while any(map(group_lives, groups)) and time.monotonic() < deadline:
        time.sleep(0.1)
    signal_groups(groups, signal.SIGKILL)


def signal_groups(groups: list[int], signum: signal.Signals) -> None:
    for group in groups:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signum)


def group_lives(group: int) -> bool:
    """Whether a member still runs; the dead that nobody has collected (there may be no init to do it) do not count."""
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, psutil.Error):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                return True
    return False


if __name__ == "__main__":
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)  # it ends when its supervisor has ended, and not before
    end_groups([int(line) for line in sys.stdin])
