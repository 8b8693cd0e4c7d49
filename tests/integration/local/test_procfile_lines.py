"""The Procfile's lines run as a platform runs them: production settings, one shell, SIGTERM to the whole group."""

from __future__ import annotations

import os
import subprocess

import pytest
import requests

from local.ports import free_port
from local.procfile import PROCFILE, read_procfile, shell_command
from settings import REQUIRED_IN_PRODUCTION
from tests.eventually import eventually
from tests.fixtures.processes import ProcfileProcessFactory

PRODUCTION = {
    "REDRIVE_ENV": "production",
    "STRIPE_SECRET_KEY": "sk_live_made_up",
    "STRIPE_WEBHOOK_SECRET": "whsec_bWFkZSB1cA==",
    "RESEND_API_KEY": "re_made_up",
    "RESEND_WEBHOOK_SECRET": "whsec_bWFkZSB1cA==",
    "SECRET_KEY": "made-up-" * 8,
    "API_TOKEN": "made-up-" * 8,
    "EMAIL_FROM": "Shop <shop@example.com>",
    "FLOWER_BASIC_AUTH": "ops:made-up",
}


def status(url: str, auth: tuple[str, str] | None = None) -> int:
    return requests.get(url, auth=auth, timeout=5).status_code


def test_the_web_process_answers_on_port_and_ends_when_asked(
    procfile_process: ProcfileProcessFactory, app_environment: dict[str, str]
) -> None:
    web = procfile_process("web", PRODUCTION)
    assert eventually(lambda: status(f"{app_environment['PUBLIC_URL']}/healthz") == 200, ignoring=(requests.RequestException,))
    assert web.stop() == 0


def test_flower_shows_nothing_without_a_login(procfile_process: ProcfileProcessFactory, app_environment: dict[str, str]) -> None:
    flower = f"http://127.0.0.1:{app_environment['FLOWER_PORT']}"
    process = procfile_process("flower", PRODUCTION)
    assert [status(f"{flower}{path}") for path in ("/", "/api/workers", "/healthcheck")] == [401, 401, 200]
    assert status(f"{flower}/api/workers", ("ops", "made-up")) == 200
    assert status(f"{flower}/api/workers", ("ops", "guess")) == 401
    assert process.stop() == 0


@pytest.mark.parametrize("name", read_procfile())
def test_no_process_starts_in_production_without_its_settings_and_each_is_named(name: str, app_environment: dict[str, str]) -> None:
    environ = {"PATH": app_environment["PATH"], "REDRIVE_ENV": "production", "PORT": str(free_port())}
    ended = subprocess.run(
        shell_command(read_procfile()[name]), env=environ, cwd=PROCFILE.parent, capture_output=True, text=True, timeout=60, check=False
    )
    said = ended.stdout + ended.stderr
    assert ended.returncode == 1
    assert [name for name in REQUIRED_IN_PRODUCTION if f"{name} is missing" not in said] == []
    assert "Traceback" not in said


@pytest.mark.slow
def test_worker_and_beat_answer_their_health_checks_and_end_when_asked(
    procfile_process: ProcfileProcessFactory, app_environment: dict[str, str]
) -> None:
    processes = {"celery": procfile_process("worker", PRODUCTION), "celerybeat": procfile_process("beat", PRODUCTION)}

    def answers(node: str) -> bool:
        command = ["celery", "-A", "tasks", "inspect", "ping", "--timeout", "5", "--destination", f"{node}@{os.uname().nodename}"]
        environ = {**app_environment, **PRODUCTION}
        return subprocess.run(command, env=environ, capture_output=True, timeout=60, check=False).returncode == 0

    for node, process in processes.items():
        assert eventually(lambda node=node: answers(node), 30)  # type: ignore[misc]
        assert process.stop() == 0
        assert not process.running
