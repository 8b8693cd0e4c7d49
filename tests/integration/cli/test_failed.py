"""``redrive failed`` at a terminal: what it shows, what it does, and how it ends."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator

import psycopg
import pytest
from click.testing import CliRunner, Result
from psycopg.rows import dict_row

from cli.main import redrive
from local.postgres import Postgres
from settings import Settings
from tasks.errors import OutcomeUnknown, PermanentFailure
from tests.fixtures.processes import completed
from tests.integration.engine.failing import failed_email, failed_event
from tests.integration.engine.ledger import Ledger


@pytest.fixture
def ledger(app_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    options = "-c redrive.role=admin"
    with psycopg.connect(app_settings.postgres_dsn, autocommit=True, row_factory=dict_row, options=options) as connection:
        yield Ledger(connection, tmp_path_factory.mktemp("cli") / "diary")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(redrive, ["failed", *arguments], env={"COLUMNS": "200"})


def test_a_list_of_nothing_says_so(ledger: Ledger) -> None:
    assert (run("list").output, run("list").exit_code) == ("Nothing has failed.\n", 0)
    assert run("list", "--reason", "poison").output == "No failed operation matches.\n"
    assert json.loads(run("list", "--json").output) == []


def test_the_list_shows_what_waits_without_addresses(ledger: Ledger) -> None:
    failed_event(ledger)
    failed_email(ledger, PermanentFailure("the address ann@example.com is not valid"))

    shown = run("list")

    assert shown.exit_code == 0
    assert "process_stripe_webhook" in shown.output
    assert "send_welcome_email" in shown.output
    assert "2 in all" in shown.output
    assert "ann@example.com" not in shown.output
    assert "ann@example.com" in run("show", str(ledger.failures(operation_type="email")[0]["id"])).output


def test_filters_and_limits_choose_what_is_listed(ledger: Ledger) -> None:
    for _ in range(3):
        failed_event(ledger)
    failed_email(ledger)
    types = [row["operation_type"] for row in json.loads(run("list", "--type", "webhook", "--limit", "2", "--json").output)]
    assert types == ["webhook", "webhook"]
    assert "3 in all (the newest 2 of 3)" in run("list", "--type", "webhook", "--limit", "2").output
    assert json.loads(run("list", "--since", "1h", "--task", "tasks.send_welcome_email", "--json").output)[0]["operation_type"] == "email"


def test_show_tells_everything_by_the_beginning_of_an_id(ledger: Ledger) -> None:
    event_id, operation = failed_event(ledger)
    run("retry", str(operation))
    shown = run("show", str(operation)[:8])
    assert shown.exit_code == 0
    for part in (str(operation), str(event_id), "tasks.process_stripe_webhook", "permanent", "test.scripted", "redriven by cli:"):
        assert part in shown.output
    known = json.loads(run("show", str(operation), "--json").output)
    assert known["event_data"]["type"] == "test.scripted"


def test_retry_redrives_in_the_users_name_and_says_how_many(ledger: Ledger) -> None:
    (event_id, first), (_, second) = failed_event(ledger), failed_event(ledger)
    done = run("retry", str(first), str(second))
    assert (done.exit_code, done.output) == (0, "2 on the way again.\n")
    assert ledger.event(event_id)["status"] == "pending"
    row = ledger.connection.execute("SELECT DISTINCT actor FROM audit_log").fetchone()
    assert row == {"actor": f"cli:{getpass.getuser()}"}


def test_one_that_is_refused_does_not_hold_up_the_others_and_ends_with_status_1(ledger: Ledger) -> None:
    _, event = failed_event(ledger)
    email, unsure = failed_email(ledger, OutcomeUnknown("it may be out"))
    done = run("retry", str(unsure), "ffffffff", str(event))
    assert done.exit_code == 1
    assert "1 on the way again." in done.output
    assert "may already have been sent" in done.stderr
    assert "--confirm" in done.stderr
    assert "There is no failed operation ffffffff." in done.stderr

    assert run("retry", str(unsure), "--confirm").exit_code == 0
    assert ledger.connection.execute("SELECT status FROM notifications WHERE id = %s", (email,)).fetchone() == {"status": "pending"}


def test_all_that_match_are_redriven_at_once(ledger: Ledger) -> None:
    for _ in range(3):
        failed_event(ledger)
    failed_email(ledger)
    assert run("retry", "--all-matching", "--type", "webhook").output == "3 on the way again.\n"
    assert run("retry", "--all-matching", "--type", "webhook").exit_code == 1, "they are on their way already"
    assert run("retry", "--all-matching", "--reason", "poison").output == "0 on the way again.\n"


@pytest.mark.parametrize("arguments", [[], ["abc", "--all-matching"], ["abc", "--type", "email"]])
def test_retry_wants_ids_or_filters_but_not_both(ledger: Ledger, arguments: list[str]) -> None:
    assert run("retry", *arguments).exit_code == 2


def test_resolve_keeps_the_note_and_asks_for_one(ledger: Ledger) -> None:
    _, operation = failed_event(ledger)
    assert run("resolve", str(operation)).exit_code == 2
    assert run("resolve", str(operation), "--note", "  ").exit_code == 2
    assert run("resolve", str(operation)[:8], "--note", "paid back by hand").output == "1 resolved.\n"
    assert ledger.failures()[0]["resolution_note"] == "paid back by hand"
    assert run("resolve", str(operation), "--note", "again").exit_code == 1
    assert "resolved" in run("list", "--all").output


def test_a_database_that_is_away_is_one_sentence(ledger: Ledger, postgres_server: Postgres) -> None:
    postgres_server.kill()
    for arguments in (["list"], ["show", "abc"], ["retry", "abc"], ["retry", "--all-matching"], ["resolve", "abc", "--note", "x"]):
        done = run(*arguments)
        assert done.exit_code == 1
        assert done.output == "Error: The database does not answer: is it running, and is DATABASE_URL right?\n"


def test_the_installed_program_works_without_a_worker(ledger: Ledger, app_environment: dict[str, str]) -> None:
    _, operation = failed_event(ledger)
    listed = completed(["redrive", "failed", "list"], app_environment)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert str(operation)[:8] in listed.stdout
    assert completed(["redrive", "failed", "retry", str(operation)[:8]], app_environment).stdout == "1 on the way again.\n"


def test_bad_settings_are_told_as_the_settings_tell_them(app_environment: dict[str, str]) -> None:
    done = completed(["redrive", "failed", "list"], app_environment | {"DATABASE_URL": "mysql://localhost"})
    assert done.returncode == 1
    assert "DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr
