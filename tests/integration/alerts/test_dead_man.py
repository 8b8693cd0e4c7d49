"""The dead-man's switch: what is late is told once, by whoever looks first, and so is that it is over."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text

from admin.watch import Watch
from local.postgres import Postgres
from models.alerts import Alert, open_alerts
from models.connection import transaction
from models.heartbeats import beat, note_trouble
from settings import Settings, get_settings
from tasks.dead_man import late_tasks, look, schedule_health
from tasks.reminder_sweep import sweep_reminders
from tests.eventually import eventually
from tests.receiver import Receiver

MINUTE = timedelta(minutes=1)
SWEEP, PUBLISH = "tasks.sweep_reminders", "tasks.publish_waiting_work"


@pytest.fixture
def slack(receiver: Receiver, app_environment: dict[str, str]) -> Receiver:
    """Slack, for the product under test; ask for it before ``app_settings``."""
    app_environment["SLACK_WEBHOOK_URL"] = f"{receiver.url}/hook"
    return receiver


@pytest.fixture
def quiet(slack: Receiver, app_settings: Settings) -> Receiver:
    """Every scheduled task has just succeeded."""
    with transaction() as session:
        for task in schedule_health(session):
            beat(session, task.task, {})
    return slack


def silent(task: str, span: timedelta) -> None:
    """As if the task had last succeeded so long ago."""
    with transaction() as session:
        session.execute(text("UPDATE heartbeats SET last_success_at = now() - :span WHERE name = :task"), {"span": span, "task": task})


def late() -> list[str]:
    with transaction() as session:
        return [task.task for task in late_tasks(session)]


def said(slack: Receiver) -> list[str]:
    return [json.loads(delivery.body)["text"] for delivery in slack.deliveries]


def test_when_all_is_well_nothing_is_said(quiet: Receiver) -> None:
    look()
    assert late() == []
    assert said(quiet) == []


@pytest.mark.parametrize(("task", "well", "sick"), [(SWEEP, 34, 36), (PUBLISH, 4, 6)])
def test_the_sweep_is_late_after_35_minutes_and_minute_jobs_after_5(quiet: Receiver, task: str, well: int, sick: int) -> None:
    silent(task, well * MINUTE)
    assert late() == []
    silent(task, sick * MINUTE)
    assert late() == [task]


def test_a_late_task_is_told_once_however_often_anybody_looks_and_once_more_when_it_is_over(quiet: Receiver) -> None:
    silent(SWEEP, 40 * MINUTE)
    for _ in range(3):
        look()
    [opened] = said(quiet)
    assert opened.startswith(":rotating_light: tasks.sweep_reminders last succeeded 40 minutes ago and is late after 35 minutes")
    assert sweep_reminders() is not None
    for _ in range(3):
        look()
    assert len(said(quiet)) == 2
    assert said(quiet)[1].startswith(":white_check_mark: *Over:* tasks.sweep_reminders")
    with transaction() as session:
        assert open_alerts(session) == []


def test_a_second_trouble_of_the_same_task_is_told_again(quiet: Receiver) -> None:
    for _ in range(2):
        silent(SWEEP, 40 * MINUTE)
        look()
        silent(SWEEP, MINUTE)
        look()
    assert len(said(quiet)) == 4


def test_of_many_that_look_at_once_one_speaks(quiet: Receiver) -> None:
    silent(SWEEP, 40 * MINUTE)
    with ThreadPoolExecutor(8) as lookers:
        for done in [lookers.submit(look) for _ in range(16)]:
            done.result()
    eventually(lambda: len(said(quiet)) == 1)


def test_a_task_that_never_ran_is_expected_from_the_first_look_on(slack: Receiver, app_settings: Settings) -> None:
    look()
    assert late() == []
    with transaction() as session:
        session.execute(text("UPDATE heartbeats SET expected_since = now() - interval '40 minutes'"))
    assert set(late()) >= {SWEEP, PUBLISH}
    assert "tasks.cleanup_old_reminders" not in late()
    look()
    assert any("tasks.sweep_reminders is expected since 40 minutes ago" in words for words in said(slack))


def test_a_channel_that_is_away_is_told_later(quiet: Receiver) -> None:
    quiet.answers[:] = [500]
    silent(SWEEP, 40 * MINUTE)
    look()
    look()
    assert len(said(quiet)) == 1  # it is left alone for a minute
    with transaction() as session:
        session.execute(text("UPDATE alerts SET tell_at = now()"))
    look()
    look()
    assert len(said(quiet)) == 2
    with transaction() as session:
        assert [(alert.told, alert.tell_at, alert.tries) for alert in session.query(Alert)] == [({"slack": "opened"}, None, 2)]


def test_who_never_heard_of_a_trouble_is_not_told_that_it_is_over(quiet: Receiver) -> None:
    quiet.answers[:] = [500]
    silent(SWEEP, 40 * MINUTE)
    look()
    silent(SWEEP, MINUTE)
    look()
    assert len(said(quiet)) == 1


def test_a_reminder_source_that_raises_is_told_too(quiet: Receiver) -> None:
    with transaction() as session:
        note_trouble(session, "reminders/MEETING 24h", "ProgrammingError")
    look()
    [words] = said(quiet)
    assert words.startswith(":red_circle: The reminder source MEETING 24h raised ProgrammingError")
    with transaction() as session:
        beat(session, "reminders/MEETING 24h", {"due": 0, "claimed": 0})
    look()
    assert len(said(quiet)) == 2


def test_the_web_processes_watch_goes_on_after_an_error() -> None:
    looks: list[int] = []

    def failing_look() -> None:
        looks.append(1)
        raise ConnectionError

    watch = Watch(every_seconds=0.01, look=failing_look)
    watch.start()
    eventually(lambda: len(looks) >= 3)
    watch.stop()
    watch.join(5)
    assert not watch.is_alive()


@pytest.mark.parametrize("answers", [[], [500]])
def test_the_watch_outside_is_asked_for_after_each_sweep_whatever_it_answers(
    receiver: Receiver, app_environment: dict[str, str], request: pytest.FixtureRequest, answers: list[int]
) -> None:
    app_environment["HEARTBEAT_URL"] = f"{receiver.url}/ping/abc"
    request.getfixturevalue("app_settings")
    receiver.answers[:] = answers
    assert sweep_reminders() is not None
    assert [delivery.path for delivery in receiver.deliveries] == ["/ping/abc"]


def test_a_watch_outside_that_is_away_does_not_disturb_the_sweep(app_environment: dict[str, str], request: pytest.FixtureRequest) -> None:
    app_environment["HEARTBEAT_URL"] = "http://127.0.0.1:9/ping"
    request.getfixturevalue("app_settings")
    assert sweep_reminders() is not None


def test_a_sweep_that_could_not_run_asks_nobody(
    receiver: Receiver, app_environment: dict[str, str], request: pytest.FixtureRequest, postgres_server: Postgres
) -> None:
    app_environment["HEARTBEAT_URL"] = f"{receiver.url}/ping"
    request.getfixturevalue("app_settings")
    postgres_server.stop()
    assert sweep_reminders() is None
    assert receiver.deliveries == []


def test_the_page_of_the_alert_is_this_deployments(quiet: Receiver) -> None:
    silent(SWEEP, 40 * MINUTE)
    look()
    context = json.loads(quiet.deliveries[0].body)["blocks"][1]["elements"][0]["text"]
    assert f"<{get_settings().public_url}/admin/operations-health|operations health>" in context


def refused(reason: str) -> None:
    """A mail that the provider refused for this reason, and a task that nobody has resolved."""
    with transaction() as session:
        session.execute(
            text(
                "INSERT INTO failed_operations"
                " (operation_type, operation_id, operation_name, reason, event_data, error_type, error_message)"
                " VALUES ('email', gen_random_uuid(), 'tasks.send_welcome_email', :reason, '{}', 'E', 'no')"
            ),
            {"reason": reason},
        )


def test_a_provider_that_refuses_every_mail_is_told_once_with_what_to_do_and_once_more_when_it_is_over(quiet: Receiver) -> None:
    for _ in range(2):
        refused("invalid_api_key")
        look()
    [opened] = said(quiet)
    assert "refuses every mail (invalid_api_key, 1 so far)" in opened
    assert "redrive failed retry --all-matching --reason invalid_api_key" in opened
    with transaction() as session:
        session.execute(text("UPDATE failed_operations SET resolved_at = now(), resolved_by = 'cli:alice'"))
    look()
    assert ":white_check_mark: *Over:*" in said(quiet)[1]


def test_a_single_address_that_is_refused_wakes_nobody(quiet: Receiver) -> None:
    refused("invalid_recipient")
    look()
    assert said(quiet) == []
