"""Start a program in a session of its own that cannot outlive this process."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import psutil

from local.errors import NotTheMainThreadError

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def spawn(
    command: Sequence[str],
    *,
    log: Path,
    folder: Path,
    environ: Mapping[str, str] | None = None,
    user: str | None = None,
    last_signal: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start ``command`` in ``folder``; on Linux it gets ``last_signal`` when this process ends in whatever way.

    Its own session keeps a Ctrl-C meant for this process away from it.
    """
    if threading.current_thread() is not threading.main_thread():
        raise NotTheMainThreadError(f"{command[0]} has to be started from the main thread, or it would end together with the thread")
    identity: dict[str, object] = {"user": user, "group": user, "extra_groups": []} if user else {}
    with log.open("ab") as output:
        return subprocess.Popen(  # type: ignore[call-overload,no-any-return]  # the stubs cannot take **identity
            command,
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=partial(end_with_parent, os.getpid(), last_signal),  # noqa: PLW1509 - only one system call, no locks
            **identity,
        )


def family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The process and everything below it that lives now."""
    try:
        parent = psutil.Process(process.pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def end_with_parent(parent: int, last_signal: signal.Signals) -> None:
    """Ask the kernel to send this process ``last_signal`` when ``parent`` ends; a later change of user would undo it."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, int(last_signal))
        if os.getppid() != parent:
            os._exit(1)
