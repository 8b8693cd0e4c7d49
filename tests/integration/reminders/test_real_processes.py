"""The Procfile's own processes: Beat comes back after hours, and is missed by web and workers when it does not."""

from __future__ import annotations

import json
import shelve
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

import tasks.reminder_shelf  # noqa: F401 - fills the shelf
from models.connection import transaction
from models.heartbeats import beat, heartbeats
from settings import Settings
from simulator.control import SimulatorClient
from tasks.dead_man import schedule_health
from tasks.envelope import Message
from tasks.publishing import publish
from tasks.reminders import sources
from tests.eventually import eventually
from tests.fixtures.processes import ProcfileProcess
from tests.receiver import Receiver
from tests.reminding import HOUR, add_meeting, add_person, change_meeting, claims, database_time, remember_sweep, reminders

Start = Callable[..., ProcfileProcess]
SWEEP = "tasks.sweep_reminders"


@pytest.fixture
def mailing(simulator: SimulatorClient, receiver: Receiver, app_environment: dict[str, str]) -> SimulatorClient:
    """Mails go to the simulator, alerts to the receiver, and nobody waits long."""
    app_environment.update(simulator.environment())
    quick = {"SWEEP_SECONDS": "0.5", "PUBLISH_GRACE_SECONDS": "0.5", "WATCH_SECONDS": "1", "SLACK_WEBHOOK_URL": f"{receiver.url}/hook"}
    app_environment.update(quick)
    return simulator


def stop_for(beat_process: ProcfileProcess, schedule_file: Path, span: timedelta) -> None:
    """End Beat, and let its schedule file say that this was so long ago."""
    beat_process.stop()
    with shelve.open(str(schedule_file), writeback=True) as schedule:
        schedule["entries"]["sweep-reminders"].last_run_at = datetime.now(UTC) - span


def said(receiver: Receiver) -> list[str]:
    return [json.loads(delivery.body)["text"] for delivery in receiver.deliveries]


@pytest.mark.slow
def test_beat_that_was_away_for_seven_hours_catches_up_with_what_still_makes_sense(
    mailing: SimulatorClient, app_settings: Settings, app_environment: dict[str, str], procfile_process: Start
) -> None:
    procfile_process("worker")
    stopped = procfile_process("beat")
    stopped.wait_for_log("beat.leads")
    stop_for(stopped, Path(app_environment["BEAT_SCHEDULE_FILE"]), 7 * HOUR)
    now = database_time()
    for source in sources():
        remember_sweep(source, now - 7 * HOUR)
    due = {  # hours until it begins → the reminder that fell due meanwhile
        18: "In 18 hours: Quarterly review",
        20: "In 20 hours: Quarterly review",
        0.5: "In 30 minutes: Quarterly review",
    }
    for hours in due:
        add_meeting(now + hours * HOUR + timedelta(seconds=20))
    add_meeting(now - 1 * HOUR)  # over by now
    add_meeting(now + 10 * HOUR)  # too late for its day before, too early for its hour before
    cancelled = add_meeting(now + 19 * HOUR)
    change_meeting(cancelled, status="cancelled")
    procfile_process("beat")
    eventually(lambda: len(mailing.emails()) >= 3, 60)
    assert sorted(mail.subject for mail in mailing.emails()) == sorted(due.values())
    assert len(claims()) == 3
    assert {mail.status for mail in reminders()} == {"sent"}


@pytest.fixture
def silent_beat(mailing: SimulatorClient, app_settings: Settings) -> None:
    """All tasks are in time but the sweep of reminders, which Beat has not started for 40 minutes."""
    with transaction() as session:
        for task in schedule_health(session):
            beat(session, task.task, {})
        session.execute(text("UPDATE heartbeats SET last_success_at = now() - interval '40 minutes' WHERE name = :sweep"), {"sweep": SWEEP})


@pytest.mark.slow
@pytest.mark.usefixtures("silent_beat")
@pytest.mark.parametrize("alive", [("web",), ("worker",), ("web", "worker")], ids="+".join)
def test_beat_that_is_dead_is_missed_by_whoever_lives_and_told_once(
    alive: tuple[str, ...], receiver: Receiver, procfile_process: Start
) -> None:
    processes = [procfile_process(name) for name in alive]
    eventually(lambda: said(receiver), 30)
    for process in processes:
        assert process.running
    looks = database_time() + timedelta(seconds=3)
    eventually(lambda: database_time() > looks)
    [words] = said(receiver)
    assert words.startswith(":rotating_light: tasks.sweep_reminders last succeeded 40 minutes ago")


@pytest.mark.slow
@pytest.mark.usefixtures("silent_beat")
def test_when_beat_is_back_the_same_people_are_told_that_it_is_over(
    receiver: Receiver, app_environment: dict[str, str], procfile_process: Start
) -> None:
    procfile_process("worker")
    eventually(lambda: said(receiver), 30)
    stopped = procfile_process("beat")
    stopped.wait_for_log("beat.leads")
    stop_for(stopped, Path(app_environment["BEAT_SCHEDULE_FILE"]), HOUR)
    procfile_process("beat")
    eventually(lambda: len(said(receiver)) == 2, 60)
    assert said(receiver)[1].startswith(":white_check_mark: *Over:* tasks.sweep_reminders")


@pytest.mark.slow
def test_a_worker_killed_in_a_sweep_loses_nothing(
    mailing: SimulatorClient, app_settings: Settings, app_environment: dict[str, str], procfile_process: Start
) -> None:
    """The sweep is killed between two chunks; its message comes back, and what was claimed has its mail."""
    now = database_time()
    with transaction() as session:
        add_person(session)
        copies = text("INSERT INTO meetings (user_id, title, scheduled_at) SELECT id, 'Review', :at FROM users, generate_series(1, 30000)")
        session.execute(copies, {"at": now + 24 * HOUR + 50 * timedelta(minutes=1)})
    worker = procfile_process("worker", {"VISIBILITY_TIMEOUT_SECONDS": "3"})
    publish([Message(SWEEP, (), "sweeps")])
    eventually(claims, 30)
    worker.kill()
    procfile_process("worker", {"VISIBILITY_TIMEOUT_SECONDS": "3"})
    eventually(complete, 90)  # the server may still be at the dead one's chunk
    assert len(claims()) == len(reminders()) == 30_000


def complete() -> bool:
    with transaction() as session:
        return "reminders/MEETING 24h" in heartbeats(session)
