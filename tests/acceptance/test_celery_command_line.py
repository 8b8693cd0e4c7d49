"""``celery -A tasks …`` and Flower as people know them, on the Procfile's own processes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from settings import Settings
from tasks.publishing import publish
from tasks.webhook_messages import message_for
from tests.eventually import eventually
from tests.fixtures.processes import ProcfileProcess, ProcfileProcessFactory, completed

QUICK = {"CELERY_WORKER_INCLUDE": "tests.integration.engine.scripted_events", "RETRY_UNIT_SECONDS": "0.05", "WORKER_CONCURRENCY": "1"}


@pytest.fixture
def worker(app_settings: Settings, procfile_process: ProcfileProcessFactory) -> ProcfileProcess:
    return procfile_process("worker", QUICK)


@pytest.fixture
def celery(app_environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """``celery("status")``: run ``celery -A tasks status`` to its end."""
    return lambda *arguments: completed(["celery", "-A", "tasks", *arguments], app_environment)


def take_in(app_settings: Settings, **script: object) -> str:
    """Store a scripted event as the receiver would, and publish it; returns its id."""
    body = {"id": "evt_1", "type": "test.scripted", "created": 1, "data": {"object": script}}
    with psycopg.connect(app_settings.postgres_dsn) as connection:
        row = connection.execute(
            "INSERT INTO webhook_events (provider, provider_event_id, event_type, body, livemode)"
            " VALUES ('stripe', gen_random_uuid(), 'test.scripted', %s, false) RETURNING id",
            (json.dumps(body),),
        ).fetchone()
    assert row
    publish([message_for("stripe", row[0])])
    return str(row[0])


def status_of(app_settings: Settings, event_id: str) -> str:
    with psycopg.connect(app_settings.postgres_dsn) as connection:
        row = connection.execute("SELECT status FROM webhook_events WHERE id = %s", (event_id,)).fetchone()
    assert row
    return str(row[0])


def test_inspect_status_and_report_answer(worker: ProcfileProcess, celery: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    def inspect(what: str) -> Any:
        [answer] = json.loads(celery("inspect", what, "--json").stdout).values()
        return answer

    assert inspect("ping") == {"ok": "pong"}
    registered = inspect("registered")
    for name in ("tasks.process_stripe_webhook", "tasks.send_purchase_email", "tasks.publish_waiting_work"):
        assert name in registered
    assert {queue["name"] for queue in inspect("active_queues")} >= {"webhooks", "emails", "sweeps", "celery"}
    assert inspect("active") == []
    assert "1 node online" in celery("status").stdout
    report = celery("report")
    assert (report.returncode, "celery:5.7" in report.stdout) == (0, True)


def test_nobody_to_answer_is_said_and_ends_with_a_status(
    app_settings: Settings, celery: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = celery("inspect", "ping")
    assert (done.returncode, "No nodes replied" in done.stderr) == (69, True)


def test_a_running_task_is_seen_and_can_be_revoked_from_the_command_line(
    app_settings: Settings,
    app_environment: dict[str, str],
    worker: ProcfileProcess,
    celery: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> None:
    event_id = take_in(app_settings, does="takes time", seconds=60, diary=str(tmp_path / "diary"))
    eventually(lambda: status_of(app_settings, event_id) == "running")
    [[task]] = json.loads(celery("inspect", "active", "--json").stdout).values()
    assert (task["name"], task["args"]) == ("tasks.process_stripe_webhook", [event_id])

    done = celery("control", "terminate", "SIGTERM", task["id"])

    assert done.returncode == 0
    eventually(lambda: status_of(app_settings, event_id) == "failed")
    listed = completed(["redrive", "failed", "list", "--reason", "revoked", "--json"], app_environment)
    assert json.loads(listed.stdout)[0]["operation_id"] == event_id
    assert json.loads(celery("inspect", "active", "--json").stdout).popitem()[1] == []


def test_beat_is_alive_to_inspect_as_well(
    app_settings: Settings, procfile_process: ProcfileProcessFactory, celery: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    procfile_process("beat")
    answer = eventually(lambda: json.loads(celery("inspect", "ping", "--json").stdout or "{}"), 20)
    assert [name.partition("@")[0] for name in answer] == ["celerybeat"]


def test_flower_shows_every_task_by_its_name_and_only_to_who_may_see_it(
    app_settings: Settings, app_environment: dict[str, str], procfile_process: ProcfileProcessFactory, tmp_path: Path
) -> None:
    port = app_environment["FLOWER_PORT"]
    procfile_process("flower", {"FLOWER_BASIC_AUTH": "ann:a-long-password"})
    procfile_process("worker", QUICK)
    url = f"http://127.0.0.1:{port}"
    login = ("ann", "a-long-password")

    for path in ("/", "/tasks", "/workers", "/api/tasks", "/api/workers"):
        assert requests.get(f"{url}{path}", timeout=5).status_code == HTTPStatus.UNAUTHORIZED, path
        assert requests.get(f"{url}{path}", auth=("demo", "demo"), timeout=5).status_code == HTTPStatus.UNAUTHORIZED, path
    assert requests.get(f"{url}/workers", auth=login, timeout=5).status_code == HTTPStatus.OK

    event_id = take_in(app_settings, does="succeeds", diary=str(tmp_path / "diary"))
    eventually(lambda: status_of(app_settings, event_id) == "processed")

    def shown() -> list[str]:
        tasks = requests.get(f"{url}/api/tasks", auth=login, timeout=5).json().values()
        return [task["name"] for task in tasks if event_id in task["args"] and task["state"] == "SUCCESS"]

    assert set(eventually(shown, 20)) == {"tasks.process_stripe_webhook"}


def test_flower_does_not_start_in_production_without_a_login_of_its_own(app_environment: dict[str, str]) -> None:
    for login in ({}, {"FLOWER_BASIC_AUTH": "demo:demo"}):
        done = completed(["celery", "-A", "tasks", "flower"], app_environment | {"REDRIVE_ENV": "production"} | login)
        assert done.returncode != 0
        assert "FLOWER_BASIC_AUTH is " in done.stderr
