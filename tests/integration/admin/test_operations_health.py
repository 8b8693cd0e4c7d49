"""The operations health page: green when all is well, red for what is late, fails or is away; for operators only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import column, select, table, text

from local.postgres import Postgres
from local.redis_server import RedisServer
from models.connection import transaction
from models.heartbeats import beat
from settings import Settings
from tasks.dead_man import look, schedule_health
from tasks.mail.provider_gate import gate
from tasks.reminder_sweep import sweep_reminders
from tasks.reminders import forget, register
from tasks.reminders.meetings import DAY_BEFORE
from tests.fixtures.wsgi import fresh_wsgi_app

PAGE = "/admin/operations-health"
LOGIN = ("demo", "demo")


@pytest.fixture
def browser(app_settings: Settings) -> Iterator[FlaskClient]:
    """The web process, with every scheduled task in time."""
    with transaction() as session:
        for task in schedule_health(session):
            beat(session, task.task, {})
    with fresh_wsgi_app() as app:
        yield app.test_client()


def test_when_all_is_well_it_says_so(browser: FlaskClient) -> None:
    answer = browser.get(PAGE, auth=LOGIN)
    assert answer.status_code == 200
    assert "All is well" in answer.text
    assert "MEETING 24h" in answer.text
    assert "tasks.sweep_reminders" in answer.text
    assert 'class="bad"' not in answer.text


def test_it_tells_whether_the_mail_provider_takes_mails(browser: FlaskClient) -> None:
    gate().pause(timedelta(minutes=5), "The quota of this day is used up")
    assert "The quota of this day is used up" in browser.get(PAGE, auth=LOGIN).text


def test_a_late_task_turns_it_red(browser: FlaskClient) -> None:
    with transaction() as session:
        session.execute(text("UPDATE heartbeats SET last_success_at = now() - interval '47 minutes' WHERE name = 'tasks.sweep_reminders'"))
    look()
    page = browser.get(PAGE, auth=LOGIN).text
    assert "One thing needs attention" in page
    assert "tasks.sweep_reminders is late" in page
    assert "47 min ago" in page
    assert "critical" in page
    assert browser.get(f"{PAGE}.json", auth=LOGIN).status_code == 503


def test_a_source_that_raises_is_named(browser: FlaskClient) -> None:
    nowhere = table("nowhere", *(column(name) for name in ("entity_id", "user_id", "recipient_email", "scheduled_at", "payload")))
    broken = register(replace(DAY_BEFORE, entity_type="ABSENT", due=select(nowhere)))
    try:
        sweep_reminders()
        page = browser.get(PAGE, auth=LOGIN).text
    finally:
        forget(broken.name)
    assert "The reminder source ABSENT 24h raised ProgrammingError in the last sweep." in page
    assert "raised ProgrammingError</span>" in page


def test_monitoring_gets_the_same_judgement_as_json(browser: FlaskClient) -> None:
    answer = browser.get(f"{PAGE}.json", auth=LOGIN)
    said = json.loads(answer.data)
    assert (answer.status_code, said["status"], said["troubles"]) == (200, "well", [])
    assert said["schedule"]["tasks.sweep_reminders"]["late"] is False
    assert said["reminder_sources"]["WORKOUT 1h"] == "well"


def test_a_database_that_is_away_is_said_so_quickly(browser: FlaskClient, postgres_server: Postgres) -> None:
    postgres_server.stop()
    answer = browser.get(PAGE, auth=LOGIN)
    assert answer.status_code == 503
    assert "The database does not answer" in answer.text


def test_a_broker_that_is_away_leaves_the_figures_of_the_database(browser: FlaskClient, redis_server: RedisServer) -> None:
    redis_server.stop()
    answer = browser.get(PAGE, auth=LOGIN)
    assert answer.status_code == 200
    assert "The broker does not answer" in answer.text
    assert "tasks.sweep_reminders" in answer.text


@pytest.mark.parametrize("path", [PAGE, f"{PAGE}.json"])
@pytest.mark.parametrize("login", [None, ("demo", ""), ("demo", "demo2"), ("", ""), ("démo", "dëmo"), ("demo:demo", "")])
def test_nobody_else_sees_it(browser: FlaskClient, path: str, login: tuple[str, str] | None) -> None:
    answer = browser.get(path, auth=login)
    assert answer.status_code == 401
    assert "Basic" in answer.headers["WWW-Authenticate"]
    assert "sweep" not in answer.text


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Bearer demo:demo", "Basic ZGVtbw==", "Basic /////w=="])
def test_a_malformed_login_is_refused_and_not_an_error(browser: FlaskClient, header: str) -> None:
    assert browser.get(PAGE, headers={"Authorization": header}).status_code == 401


def test_the_page_may_not_be_framed_kept_or_run_anything(browser: FlaskClient) -> None:
    answer = browser.get(PAGE, auth=LOGIN)
    assert answer.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert "<script" not in answer.text
    with browser.get("/admin/static/window.css") as style:
        assert style.status_code == 200
