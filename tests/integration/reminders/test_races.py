"""Ten sweeps at once, in processes of their own: no duplicate, nobody waits for another, and all is done in the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from local.procfile import PROCFILE
from models.connection import transaction
from models.due_reminders import try_lock
from models.meetings import Meeting
from models.reminders_sent import mark_reminder_as_sent
from settings import Settings
from tasks.reminders.meetings import DAY_BEFORE
from tests.eventually import eventually
from tests.fixtures.processes import completed
from tests.reminding import HOUR, add_meeting, claims, database_time, reminders, swept

PEOPLE = 4_000
FILL = (
    "INSERT INTO users (email) SELECT 'person' || n || '@example.com' FROM generate_series(1, :people) n WHERE :people > 0",
    """INSERT INTO meetings (user_id, title, scheduled_at)
    SELECT id, 'Review', date_trunc('minute', now()) + interval '24 hours' + (row_number() OVER () % 3) * interval '1 minute'
    FROM users LIMIT :people""",
    """INSERT INTO dated_entities (user_id, entity_type, title, scheduled_at)
    SELECT id, 'WORKOUT', 'Run', now() + interval '1 hour' FROM users LIMIT :people""",
)


def fill() -> None:
    """Meetings at three instants, and as many workouts."""
    with transaction() as session:
        for statement in FILL:
            session.execute(text(statement), {"people": PEOPLE})


def totals() -> set[int]:
    """How many claims, mails, mails with their claim, log lines and different reminders there are."""
    counts = (
        "count(*) FROM reminders_sent",
        "count(*) FROM notifications",
        "count(*) FROM notifications JOIN reminders_sent USING (id)",
        "count(DISTINCT notification_id) FROM notification_event_logs",
        "count(DISTINCT (user_id, notification_type)) FROM notifications",
    )
    with transaction() as session:
        return {session.execute(text(f"SELECT {count}")).scalar_one() for count in counts}


def test_ten_processes_claim_everything_once(app_settings: Settings, app_environment: dict[str, str]) -> None:
    fill()
    ended = completed([sys.executable, "-m", "tests.sweepers", "10", "200"], app_environment)
    assert ended.returncode == 0, ended.stderr
    reports = [json.loads(line) for line in ended.stdout.splitlines()]
    assert len(reports) == 10
    assert all(report["failed"] == {} for report in reports)
    assert sum(sum(report["claimed"].values()) for report in reports) == 2 * PEOPLE
    assert totals() == {2 * PEOPLE}
    assert any(report["busy"] for report in reports)  # who finds another at a source leaves at once


def test_a_sweep_does_not_wait_for_a_source_that_another_has_in_hand(app_settings: Settings) -> None:
    now = database_time()
    add_meeting(now + HOUR)
    add_meeting(now + 24 * HOUR)
    with transaction() as other:
        assert try_lock(other, DAY_BEFORE)
        started = time.monotonic()
        report = swept(now)
        assert time.monotonic() - started < 5
    assert report["busy"] == ["MEETING 24h"]
    assert [claim.reminder_type for claim in claims()] == ["1h"]
    swept(now)
    assert len(claims()) == 2


def test_a_killed_sweep_leaves_whole_chunks_and_the_next_one_goes_on(app_settings: Settings, app_environment: dict[str, str]) -> None:
    fill()
    sweeper = subprocess.Popen(
        [sys.executable, "-m", "tests.sweepers", "1", "100"],
        cwd=PROCFILE.parent,
        env=app_environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        eventually(claims, 60)
    finally:
        os.killpg(sweeper.pid, signal.SIGKILL)
        sweeper.wait()
    assert 0 < len(claims()) < 2 * PEOPLE
    eventually(lambda: swept()["busy"] == [], 30)
    assert totals() == {2 * PEOPLE}


def test_claiming_by_hand_beside_a_sweep_gives_one_of_the_two_the_right(app_settings: Settings) -> None:
    """The hand's transaction is still open when the sweep runs into its key; nobody is reminded twice."""
    now = database_time()
    ids = [add_meeting(now + 24 * HOUR + number * timedelta(seconds=1)) for number in range(20)]
    with ThreadPoolExecutor(1) as beside:
        with transaction() as session:
            user_id = session.get_one(Meeting, ids[7]).user_id
            assert mark_reminder_as_sent(session, "MEETING", ids[7], "24h", user_id, occurrence=now + 24 * HOUR + timedelta(seconds=7))
            sweeping = beside.submit(swept, now)
            eventually(lambda: somebody_waits(session))
        assert sweeping.result(30)["failed"] == {}
    assert len(claims()) == 20
    assert len(reminders()) == 19


def somebody_waits(session: Session) -> bool:
    return bool(session.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one())
