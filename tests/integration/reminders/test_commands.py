"""``redrive reminders``: sweep with a bar, list the sources, show the claims."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import column, select, table

from cli.main import redrive
from local.postgres import Postgres
from settings import Settings
from tasks.reminders import forget, register
from tasks.reminders.meetings import DAY_BEFORE
from tests.reminding import HOUR, MINUTE, add_meeting, claims, database_time


@pytest.fixture
def now(app_settings: Settings) -> datetime:
    return database_time()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(redrive, ["reminders", *arguments], env={"COLUMNS": "200"})


def test_sweep_claims_and_says_how_many(now: datetime) -> None:
    for number in range(12):
        add_meeting(now + 24 * HOUR + number * MINUTE)
    said = run("sweep")
    assert said.exit_code == 0, said.output
    assert len(claims()) == 12
    assert "12/12" in said.output
    assert [words for words in (line.split() for line in said.output.splitlines()) if "complete" in words and "12" in words]


def test_one_source_can_be_named_and_a_wrong_name_is_answered_with_the_right_ones(now: datetime) -> None:
    add_meeting(now + 24 * HOUR)
    add_meeting(now + HOUR)
    assert run("sweep", "--source", "MEETING 1h").exit_code == 0
    assert [claim.reminder_type for claim in claims()] == ["1h"]
    said = run("sweep", "--source", "MEETING 2h")
    assert said.exit_code == 2
    assert "MEETING 24h" in said.output


def test_a_source_that_raises_ends_it_with_an_error_that_names_it(now: datetime) -> None:
    nowhere = table("nowhere", *(column(name) for name in ("entity_id", "user_id", "recipient_email", "scheduled_at", "payload")))
    broken = register(replace(DAY_BEFORE, entity_type="ABSENT", due=select(nowhere)))
    add_meeting(now + HOUR)
    try:
        said, listed = run("sweep"), run("list")
    finally:
        forget(broken.name)
    assert said.exit_code == 1
    assert "ABSENT 24h raised" in said.output
    assert len(claims()) == 1
    assert listed.exit_code == 0
    assert "ABSENT 24h" in listed.output


def test_list_shows_every_source_and_what_it_has_in_its_window(now: datetime) -> None:
    add_meeting(now + 24 * HOUR)
    said = run("list")
    assert said.exit_code == 0, said.output
    [line] = [line for line in said.output.splitlines() if "MEETING 24h" in line]
    assert "meeting_reminder" in line
    assert "never" in line
    assert " 1 " in line


def test_sent_shows_the_claims_of_all_or_of_one_entity(now: datetime) -> None:
    first, second = add_meeting(now + 24 * HOUR), add_meeting(now + 24 * HOUR + MINUTE)
    run("sweep")
    everything = run("sent").output
    assert str(first) in everything
    assert str(second) in everything
    one = run("sent", "--type", "MEETING", "--entity", str(first)).output
    assert str(first) in one
    assert str(second) not in one
    assert str(first) not in run("sent", "--type", "WORKOUT").output
    assert run("sent", "--entity", str(first)).exit_code == 2


@pytest.mark.parametrize("command", ["sweep", "list", "sent"])
def test_without_a_database_it_says_so_in_one_sentence(app_settings: Settings, postgres_server: Postgres, command: str) -> None:
    postgres_server.stop()
    said = run(command)
    assert said.exit_code == 1
    assert "The database does not answer" in said.output
    assert "Traceback" not in said.output
