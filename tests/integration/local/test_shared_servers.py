"""Any number of processes share the local servers, and the last one to end takes them along, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from local.redis_server import RedisServer
from tests.eventually import eventually

JOIN = """
import os, sys, time
from pathlib import Path
from local.servers import local_urls
print(local_urls(["REDIS_URL"], Path(sys.argv[1]))["REDIS_URL"], flush=True)
if sys.argv[2] == "fork" and os.fork():
    os._exit(0)
sys.stdin.read()
"""


def join(folder: Path, how: str = "stay") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", JOIN, str(folder), how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def url_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def leave(process: subprocess.Popen[str]) -> None:
    process.communicate("")


def processes_in(folder: Path) -> list[psutil.Process]:
    return [process for process in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(process.info["cmdline"] or [])]


def test_processes_that_ask_at_once_share_one_server(tmp_path: Path) -> None:
    users = [join(tmp_path) for _ in range(4)]
    assert len({url_of(user) for user in users}) == 1
    for user in users[1:]:
        leave(user)
    assert RedisServer(tmp_path / "redis").answers()
    leave(users[0])
    assert not RedisServer(tmp_path / "redis").answers()
    eventually(lambda: not processes_in(tmp_path), within_seconds=0.5)


def test_a_killed_user_leaves_no_server_behind(tmp_path: Path) -> None:
    user = join(tmp_path)
    assert url_of(user)
    user.kill()
    user.communicate()
    eventually(lambda: not processes_in(tmp_path))
    assert not RedisServer(tmp_path / "redis").answers()


def test_a_forked_child_keeps_the_server_after_its_parent_has_ended(tmp_path: Path) -> None:
    user = join(tmp_path, "fork")
    assert url_of(user)
    user.wait(10)
    assert RedisServer(tmp_path / "redis").answers()
    os.killpg(user.pid, signal.SIGKILL)
    user.communicate()
    eventually(lambda: not processes_in(tmp_path))


def test_a_server_that_ends_by_itself_comes_back_for_its_users(tmp_path: Path) -> None:
    user = join(tmp_path)
    url = url_of(user)
    psutil.Process(int((tmp_path / "redis" / "pid").read_text())).kill()
    eventually(lambda: RedisServer(tmp_path / "redis").answers())
    assert RedisServer(tmp_path / "redis").url == url
    leave(user)


def test_a_folder_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with join(tmp_path / "file") as user:
        assert user.wait(20) == 1
    done = subprocess.run([sys.executable, "-c", JOIN, str(tmp_path / "file"), "stay"], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].endswith("file/redis cannot be used: Not a directory")
