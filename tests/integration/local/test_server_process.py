"""The local servers keep their data, their address and their promises through stops, kills and hangs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from local.address import choose_address
from local.errors import DiskFullError, FolderNotUsableError, NotTheMainThreadError
from local.postgres import Postgres
from local.redis_server import RedisServer
from local.server_process import ServerProcess
from tests.eventually import eventually


@pytest.fixture(params=["redis", "postgres"])
def server(request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    server: ServerProcess = request.getfixturevalue(f"{request.param}_server")
    server.start()
    yield server
    server.resume()
    server.start()


def write(server: ServerProcess) -> None:
    if isinstance(server, Postgres):
        with psycopg.connect(server.url) as connection:
            connection.execute("DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT 42 AS answer")
    else:
        with redis.Redis.from_url(server.url) as client:
            client.set("kept", 42)


def read(server: ServerProcess) -> int:
    if isinstance(server, Postgres):
        with psycopg.connect(server.url) as connection:
            row = connection.execute("SELECT answer FROM kept").fetchone()
            assert row is not None
            return int(row[0])
    with redis.Redis.from_url(server.url) as client:
        return int(client.get("kept") or 0)


def test_a_stopped_server_does_not_answer_and_finds_its_data_and_url_again(server: ServerProcess) -> None:
    write(server)
    url = server.url
    server.stop()
    assert not server.alive()
    server.start()
    assert (server.alive(), server.url, read(server)) == (True, url, 42)


def test_a_killed_postgres_finds_what_it_acknowledged(postgres_server: Postgres) -> None:
    postgres_server.start()
    write(postgres_server)
    postgres_server.kill()
    assert not postgres_server.alive()
    postgres_server.start()
    assert read(postgres_server) == 42


def test_a_killed_redis_starts_again_at_once(redis_server: RedisServer) -> None:
    redis_server.start()
    redis_server.kill()
    assert not redis_server.alive()
    redis_server.start()
    assert redis_server.alive()


def test_a_paused_server_hangs_until_it_is_resumed(redis_server: RedisServer) -> None:
    redis_server.start()
    redis_server.pause()
    assert redis_server.running
    with redis.Redis.from_url(redis_server.url, socket_timeout=0.2, retry=None) as client, pytest.raises(redis.TimeoutError):
        client.ping()
    redis_server.resume()
    assert eventually(redis_server.alive)


def test_durability_is_on_and_redis_never_drops_a_message(redis_server: RedisServer, tmp_path: Path) -> None:
    redis_server.start()
    with Postgres(tmp_path / "postgres") as postgres, psycopg.connect(postgres.url) as connection:
        shown = [connection.execute(f"SHOW {name}".encode()).fetchone() for name in ("fsync", "synchronous_commit", "full_page_writes")]
        connections = connection.execute("SELECT current_setting('max_connections')::int >= 200").fetchone()
        assert (shown, connections) == ([("on",), ("on",), ("on",)], (True,))
        assert connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone() == (False,)
    with redis.Redis.from_url(redis_server.url, decode_responses=True) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("appendonly") == {"appendonly": "yes"}


def test_servers_listen_on_loopback_only_and_ask_for_a_password(postgres_server: Postgres, redis_server: RedisServer) -> None:
    postgres_server.start()
    redis_server.start()
    wrong = f"postgresql://postgres:guess@127.0.0.1:{postgres_server.address.port}/postgres"
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(wrong)
    with redis.Redis(port=redis_server.address.port) as client, pytest.raises(redis.AuthenticationError):
        client.ping()
    with psycopg.connect(postgres_server.admin_url) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("127.0.0.1",)
    with redis.Redis.from_url(redis_server.url, decode_responses=True) as client:
        assert client.config_get("bind") == {"bind": "127.0.0.1"}


def test_a_server_ends_with_the_process_that_started_it_even_if_that_is_killed(tmp_path: Path) -> None:
    program = """
import sys, time
from pathlib import Path
from local.redis_server import RedisServer
server = RedisServer(Path(sys.argv[1]))
server.start()
print("ready", flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "ready\n"
        server = RedisServer(tmp_path)
        assert server.answers()
        owner.kill()
    if sys.platform == "linux":
        assert eventually(lambda: not server.answers())


def test_a_folder_keeps_its_address_until_something_else_listens_there(tmp_path: Path) -> None:
    first = choose_address(tmp_path)
    assert choose_address(tmp_path) == first
    with subprocess.Popen(
        [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(first.port)], stderr=subprocess.DEVNULL
    ) as other:
        eventually(lambda: choose_address(tmp_path) != first)
        other.kill()
    assert choose_address(tmp_path).password == first.password
    assert (tmp_path / "address.json").stat().st_mode & 0o077 == 0


def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.redis_server.RedisServer.needs_megabytes", 10**9)
    with pytest.raises(DiskFullError, match=r"^Redis needs 1000000000 MB in .*, but only \d+ MB are free on that disk$"):
        RedisServer(tmp_path).start()


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FolderNotUsableError, match=r"^Redis cannot use .*file/redis: Not a directory$"):
        RedisServer(tmp_path / "file" / "redis").start()


def test_data_of_another_postgres_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "PG_VERSION").write_text("15\n")
    with pytest.raises(FolderNotUsableError, match="holds data of PostgreSQL 15, but 18 is installed"):
        Postgres(tmp_path).start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another user for PostgreSQL")
def test_postgres_runs_as_an_ordinary_user(postgres_server: Postgres) -> None:
    postgres_server.start()
    with psycopg.connect(postgres_server.admin_url) as connection:
        pid = connection.execute("SELECT pg_backend_pid()").fetchone()
        assert pid is not None
        assert Path(f"/proc/{pid[0]}").stat().st_uid != 0


def test_a_server_is_not_started_from_a_thread_that_would_take_it_along(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as threads, pytest.raises(NotTheMainThreadError):
        threads.submit(RedisServer(tmp_path).start).result()


def test_a_signal_of_choice_reaches_the_server(redis_server: RedisServer) -> None:
    redis_server.start()
    redis_server.kill(signal.SIGTERM)
    eventually(lambda: not redis_server.running)
    redis_server.start()
