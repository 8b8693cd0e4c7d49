"""Throw-away PostgreSQL and Redis with a migrated database, and processes that run on them; all durable, as in production."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from local.postgres import Postgres
from local.redis_server import RedisServer

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent


@contextmanager
def platform() -> Iterator[dict[str, str]]:
    """The environment of processes on fresh servers (``fsync`` and ``synchronous_commit`` on), stopped and removed at the end."""
    with (
        tempfile.TemporaryDirectory(prefix="redrive-benchmark-") as folder,
        Postgres(Path(folder) / "postgres") as postgres,
        RedisServer(Path(folder) / "redis") as redis,
    ):
        environ = {
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "HOME": folder,
            "LANG": "C.UTF-8",
            "DATABASE_URL": postgres.url,
            "REDIS_URL": redis.url,
            "PYTHONPATH": str(ROOT),
        }
        os.environ.update({"DATABASE_URL": postgres.url, "REDIS_URL": redis.url})
        subprocess.run([sys.executable, "-m", "migrations"], env=environ, cwd=ROOT, check=True)
        yield environ


@contextmanager
def process(command: list[str], environ: Mapping[str, str], *, log: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A process for the time of the block; its output goes to ``log`` or nowhere."""
    output = log.open("wb") if log else subprocess.DEVNULL
    running = subprocess.Popen(command, env=dict(environ), cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(20)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def wait_for_http(url: str, *, seconds: float = 30) -> None:
    """Until the address answers anything at all."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
