"""Keeps one server of this machine running for as long as any process uses it: ``python -m local.keeper PostgreSQL FOLDER``."""

from __future__ import annotations

import signal
import sys
import time
from io import FileIO
from pathlib import Path
from typing import NoReturn

from local.errors import LocalServerError
from local.locks import take_if_free
from local.postgres import Postgres
from local.redis_server import RedisServer
from local.server_process import ServerProcess

SERVERS: dict[str, type[ServerProcess]] = {server.name: server for server in (Postgres, RedisServer)}
LOOK_SECONDS = 0.2
PATIENCE_SECONDS = 2.0
_held: list[FileIO] = []


def keep(server: ServerProcess) -> None:
    """Start ``server``, say so on standard output, and stop it when nobody holds the lock of its users any more."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not _hold(server.folder / "keeper.lock"):
        if time.monotonic() < deadline:  # somebody may just be looking whether it is taken
            time.sleep(0.01)
            continue
        raise LocalServerError(f"another process keeps {server.name} in {server.folder} already")
    try:
        server.start()
        print("ready", flush=True)
        while not _hold(server.folder / "users.lock"):  # whoever wants the server from then on waits until this process has ended
            time.sleep(LOOK_SECONDS)
            _start_again(server)
    finally:
        server.stop()


def _hold(path: Path) -> bool:
    """Lock ``path`` until this process ends."""
    lock = take_if_free(path)
    if lock is not None:
        _held.append(lock)
    return lock is not None


def _start_again(server: ServerProcess) -> None:
    """A server that ended by itself comes back, as a platform would do it; while it cannot, say why and go on trying."""
    try:
        server.start()
    except LocalServerError as error:
        print(error, file=sys.stderr, flush=True)


def _leave(*_: object) -> NoReturn:
    raise SystemExit(0)


def main() -> None:
    """Run until unused or told to end; an error is one sentence on standard output."""
    signal.signal(signal.SIGTERM, _leave)
    name, folder = sys.argv[1:]
    try:
        keep(SERVERS[name](Path(folder)))
    except LocalServerError as error:
        print(error, flush=True)
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()
