"""The simulator starts on loopback only, never in production, and keeps what it knows where it is told to."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from simulator.control import ROOT, SimulatorError, start_simulator
from tests.eventually import eventually


def _refusal(*arguments: str, **environment: str) -> str:
    """What the process says when it will not start."""
    done = subprocess.run(
        [sys.executable, "-m", "simulator", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode != 0
    return done.stderr


def test_it_refuses_production_in_one_sentence() -> None:
    said = _refusal(REDRIVE_ENV="production")
    assert "REDRIVE_ENV=production" in said
    assert len(said.splitlines()) == 1


def test_it_refuses_any_address_but_loopback() -> None:
    said = _refusal(SIMULATOR_URL="http://192.0.2.1:8025")
    assert "loopback" in said
    assert len(said.splitlines()) == 1


def test_a_busy_port_is_named_in_one_sentence() -> None:
    with start_simulator() as running:
        port = running.base_url.rpartition(":")[2]
        said = _refusal("--port", port)
    assert port in said
    assert len(said.splitlines()) == 1


def test_a_handle_says_when_its_process_did_not_start() -> None:
    with pytest.raises(SimulatorError, match="did not start"), start_simulator(environment={"REDRIVE_ENV": "production"}):
        pass


def test_mails_payments_and_keys_survive_a_restart(tmp_path: Path) -> None:
    mail = {"from": "shop@example.com", "to": "ada@example.com", "subject": "Hello", "html": "<p>Hello</p>"}
    headers = {"Authorization": "Bearer re_test", "Idempotency-Key": "k"}
    with start_simulator(data_folder=tmp_path / "kept") as first:
        sent = requests.post(f"{first.resend_api_url}/emails", json=mail, headers=headers, timeout=10).json()
        first.script_stripe(delivery={"enabled": False})
        [made] = first.trigger("invoice.paid")
    with start_simulator(data_folder=tmp_path / "kept") as second:
        assert [(email.id, email.html) for email in second.emails()] == [(sent["id"], "<p>Hello</p>")]
        again = requests.post(f"{second.resend_api_url}/emails", json=mail, headers=headers, timeout=10).json()
        assert (again, second.summary().accepted) == (sent, 1)
        assert [event.id for event in second.events()] == [made.id]


def test_a_folder_that_is_no_database_is_named_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "simulator.sqlite").write_bytes(b"not a database" * 1000)
    said = _refusal("--port", "0", "--data-folder", str(tmp_path))
    assert str(tmp_path) in said
    assert len(said.splitlines()) == 1


def test_an_event_that_was_not_delivered_is_delivered_after_a_restart(tmp_path: Path) -> None:
    with start_simulator(data_folder=tmp_path, options=["--web-url", "http://127.0.0.1:9"]) as first:
        assert first.trigger("invoice.paid")[0].state == "pending"
    with start_simulator(data_folder=tmp_path, options=["--web-url", "http://127.0.0.1:9"]) as second:
        eventually(lambda: len(second.events()[0].attempts) >= 2)


def test_an_open_inbox_does_not_hold_up_the_end() -> None:
    with start_simulator() as running:
        page = requests.get(f"{running.base_url}/inbox/changes", stream=True, timeout=10)
        assert page.headers["Content-Type"] == "text/event-stream"
        began = time.monotonic()
    assert time.monotonic() - began < 5
    page.close()
