"""The servers of this machine, shared by every process that needs one and stopped when the last of them has ended."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import time
from contextlib import closing, suppress
from io import FileIO
from pathlib import Path

from local.errors import ServerDidNotStartError
from local.locks import is_taken, take
from local.postgres import Postgres
from local.redis_server import RedisServer
from local.server_process import START_SECONDS, ServerProcess

PROJECT = Path(__file__).resolve().parent.parent
FOLDER = PROJECT / ".redrive"
VARIABLES: dict[str, type[ServerProcess]] = {"DATABASE_URL": Postgres, "REDIS_URL": RedisServer}
GOODBYE_SECONDS = 10
_joined: dict[Path, FileIO] = {}
_keepers: dict[Path, int] = {}


def local_urls(wanted: list[str], folder: Path = FOLDER) -> dict[str, str]:
    """URLs for ``DATABASE_URL`` and ``REDIS_URL`` as ``wanted``, of servers that run at least as long as this process.

    Any number of processes may ask at once. The first one's keeper starts a server, and it stops when all who asked have ended
    (killed ones too): each holds a shared lock that the kernel lets go of. Children made by fork count as users of their own.
    """
    servers = [VARIABLES[name](folder / VARIABLES[name].name.lower()) for name in wanted]
    for server in servers:
        _join(server)
    return {name: server.url for name, server in zip(wanted, servers, strict=True)}


def held_locks() -> tuple[int, ...]:
    """The file descriptors of this process's locks; a program started with them in ``pass_fds`` is a user of the servers too."""
    return tuple(lock.fileno() for lock in _joined.values())


def leave() -> None:
    """Let go of all servers; wait until those that nobody else uses have stopped."""
    left = list(_joined)
    for path in left:
        _joined.pop(path).close()
    deadline = time.monotonic() + GOODBYE_SECONDS
    for path in left:
        while not _in_use(path) and is_taken(path / "keeper.lock") and time.monotonic() < deadline:
            time.sleep(0.02)
        if path in _keepers and not is_taken(path / "keeper.lock"):
            with suppress(ChildProcessError):
                os.waitpid(_keepers[path], 0)  # collect it, since there may be no init here to do so


def _join(server: ServerProcess) -> None:
    if server.folder in _joined:
        return
    users = take(server.folder / "users.lock", shared=True)
    with closing(take(server.folder / "starting.lock")):
        try:
            _ensure_running(server)
        except BaseException:
            users.close()
            raise
    if not _joined:
        atexit.register(_leave_at_exit, os.getpid())
    _joined[server.folder] = users


def _ensure_running(server: ServerProcess) -> None:
    deadline = time.monotonic() + START_SECONDS
    while is_taken(server.folder / "keeper.lock"):
        if server.answers():
            return
        if time.monotonic() > deadline:
            raise ServerDidNotStartError(f"{server.name} runs but does not answer; see {server.log}")
        time.sleep(0.05)
    _start_keeper(server)


def _start_keeper(server: ServerProcess) -> None:
    """A process of its own and not a child's child: it must outlive whoever happened to be first, and no Ctrl-C is meant for it."""
    with (server.folder / "keeper.log").open("ab") as log:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "local.keeper", server.name, str(server.folder)],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    assert keeper.stdout is not None  # noqa: S101 - a pipe, as asked for; only mypy needs to hear it
    with keeper.stdout as answer:
        line = answer.readline().strip()
    _keepers[server.folder] = keeper.pid
    keeper.returncode = 0  # no child to wait for, and no ResourceWarning: it is meant to outlive this process
    if line != "ready":
        raise ServerDidNotStartError(line or f"{server.name} did not start; see {server.folder / 'keeper.log'}")


def _in_use(folder: Path) -> bool:
    """Whether other users hold the server: their locks let another shared one in and keep an exclusive one out."""
    return is_taken(folder / "users.lock") and not is_taken(folder / "users.lock", shared=True)


def _leave_at_exit(pid: int) -> None:
    if os.getpid() == pid:  # a forked child runs its parent's exit functions too
        leave()
