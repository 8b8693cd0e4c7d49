"""A new source is one file; one that raises is recorded and shown, and does not silence the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest
from sqlalchemy import column, func, select, table, text, true

from models.connection import transaction
from models.due_reminders import try_lock
from models.heartbeats import heartbeats, note_trouble
from settings import Settings
from tasks import reminder_sweep
from tasks.dead_man import failing_sources
from tasks.publishing import queue_length
from tasks.reminder_sweep import NoSuchSource, sweep_reminder_source, sweep_reminders
from tasks.reminder_walk import Progress
from tasks.reminders import ReminderSource, forget, register
from tasks.reminders.meetings import DAY_BEFORE, HOUR_BEFORE
from tasks.shelves import fill
from tests.reminding import HOUR, add_meeting, add_person, claims, database_time, reminders, swept

NEW_FILE = '''
"""``TRIAL``: a week before a trial ends; the table is the shop's own."""

from datetime import timedelta

from sqlalchemy import column, func, select, table

from tasks.reminders import ReminderSource, register

trials = table("trials", column("id"), column("owner"), column("email"), column("ends_at"))

WEEK_BEFORE = register(
    ReminderSource(
        entity_type="TRIAL",
        reminder_type="1w",
        lead=timedelta(weeks=1),
        late_limit=timedelta(days=3),
        email="checkin_reminder",
        due=select(
            trials.c.id.label("entity_id"),
            trials.c.owner.label("user_id"),
            trials.c.email.label("recipient_email"),
            trials.c.ends_at.label("scheduled_at"),
            func.jsonb_build_object("title", "Your trial ends", "starts_at", trials.c.ends_at, "time_zone", "UTC").label("payload"),
        ),
    )
)
'''


@pytest.fixture
def now(app_settings: Settings) -> datetime:
    return database_time()


@pytest.fixture
def broken() -> Iterator[ReminderSource]:
    """A source whose table does not exist; it comes before the others."""
    nowhere = table("nowhere", *(column(name) for name in ("entity_id", "user_id", "recipient_email", "scheduled_at", "payload")))
    source = register(replace(DAY_BEFORE, entity_type="ABSENT", due=select(nowhere)))
    yield source
    forget(source.name)


def test_a_new_source_is_one_file_on_the_shelf(now: datetime, tmp_path: Path) -> None:
    (tmp_path / "trial_reminders").mkdir()
    (tmp_path / "trial_reminders" / "trials.py").write_text(NEW_FILE)
    shelf = ModuleType("trial_reminders")
    shelf.__path__ = [str(tmp_path / "trial_reminders")]
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        assert fill(shelf) == ["trial_reminders.trials"]
    try:
        with transaction() as session:
            person = add_person(session)
            session.execute(text("CREATE TABLE trials (id uuid DEFAULT gen_random_uuid(), owner uuid, email text, ends_at timestamptz)"))
            row = {"owner": person, "ends_at": now + timedelta(days=7)}
            session.execute(text("INSERT INTO trials (owner, email, ends_at) VALUES (:owner, 'trial@example.com', :ends_at)"), row)
        assert swept(now)["claimed"]["TRIAL 1w"] == 1
    finally:
        forget("TRIAL 1w")
    [mail] = reminders()
    assert (mail.recipient_email, mail.payload["lead_time"]) == ("trial@example.com", "1 week")


def test_a_source_that_raises_does_not_silence_the_others(now: datetime, broken: ReminderSource) -> None:
    add_meeting(now + HOUR)
    report = sweep_reminders()
    assert report["failed"] == {"ABSENT 24h": "ProgrammingError"}
    assert len(claims()) == 1
    with transaction() as session:
        assert heartbeats(session)["tasks.sweep_reminders"].detail == report
        assert heartbeats(session)["reminders/ABSENT 24h"].last_success_at is None
        assert failing_sources(session) == {"ABSENT 24h": "ProgrammingError"}
        [failed] = session.execute(text("SELECT operation_name, reason, error_type, event_data FROM failed_operations")).all()
    assert failed == ("tasks.sweep_reminder_source", "retries_exhausted", "ProgrammingError", {"args": ["ABSENT 24h"], "kwargs": {}})


def test_a_source_that_is_too_slow_is_its_own_trouble(now: datetime) -> None:
    slow = replace(
        HOUR_BEFORE,
        due=HOUR_BEFORE.due.where(func.pg_sleep(30).is_not(None)),
        prepare=lambda session: session.execute(text("SET SESSION statement_timeout = '500ms'")),
    )
    add_meeting(now + HOUR)
    report = reminder_sweep.sweep([slow, HOUR_BEFORE], now=now)
    assert report["failed"] == {"MEETING 1h": "OperationalError"}
    assert len(claims()) == 1


def test_a_server_on_which_a_chunk_takes_too_long_is_asked_for_smaller_ones(now: datetime) -> None:
    slow = replace(
        HOUR_BEFORE,
        due=HOUR_BEFORE.due.where(func.pg_sleep(0.002).is_not(None)),
        prepare=lambda session: session.execute(text("SET SESSION statement_timeout = '1s'")),
    )
    with transaction() as session:
        add_person(session)
        copies = text("INSERT INTO meetings (user_id, title, scheduled_at) SELECT id, 'All day', :at FROM users, generate_series(1, 600)")
        session.execute(copies, {"at": now + HOUR})
    steps: list[Progress] = []
    report = reminder_sweep.sweep([slow], now=now, on_progress=steps.append)
    assert report["failed"] == {}
    assert steps[-1].claimed == 600
    assert len(steps) >= 6


def test_a_source_that_yields_somebody_twice_reminds_once(now: datetime) -> None:
    twice = replace(HOUR_BEFORE, due=HOUR_BEFORE.due.join(func.generate_series(1, 2).table_valued("twice"), true()))
    add_meeting(now + HOUR)
    reminder_sweep.sweep([twice], now=now)
    assert len(claims()) == len(reminders()) == 1


def test_several_people_of_one_meeting_are_each_reminded(now: datetime) -> None:
    meeting_id = add_meeting(now + HOUR)
    with transaction() as session:
        others = [add_person(session) for _ in range(3)]
        session.execute(text("CREATE TABLE guests (user_id uuid)"))
        session.execute(text("INSERT INTO guests VALUES (:id)"), [{"id": other} for other in others])
    guests = table("guests", column("user_id"))
    due = HOUR_BEFORE.due.join(guests, true()).with_only_columns(
        *(each if each.key != "user_id" else guests.c.user_id for each in HOUR_BEFORE.due.selected_columns)
    )
    reminder_sweep.sweep([replace(HOUR_BEFORE, due=due)], now=now, chunk=2)
    assert {claim.user_id for claim in claims()} == set(others)
    assert {claim.entity_id for claim in claims()} == {meeting_id}


def test_one_source_can_be_swept_by_its_name(now: datetime) -> None:
    add_meeting(now + HOUR)
    add_meeting(now + 24 * HOUR)
    assert sweep_reminder_source("MEETING 1h")["claimed"] == {"MEETING 1h": 1}
    with pytest.raises(NoSuchSource, match="MEETING 24h"):
        sweep_reminder_source("MEETING 25h")
    with transaction() as session:
        assert "tasks.sweep_reminders" not in heartbeats(session)  # a part of the shelf is not a sweep of all


def test_a_source_is_well_again_after_its_next_complete_sweep(now: datetime) -> None:
    with transaction() as session:
        note_trouble(session, "reminders/MEETING 1h", "ProgrammingError")
        assert failing_sources(session) == {"MEETING 1h": "ProgrammingError"}
    sweep_reminder_source("MEETING 1h")
    with transaction() as session:
        assert failing_sources(session) == {}


def test_a_source_that_another_sweep_had_in_hand_is_looked_at_again_unless_that_one_completed_it(now: datetime) -> None:
    add_meeting(now + HOUR)
    with transaction() as other:
        assert try_lock(other, HOUR_BEFORE)
        assert sweep_reminders()["busy"] == ["MEETING 1h"]
        assert queue_length("sweeps") == 1
    assert sweep_reminder_source("MEETING 1h", now.isoformat())["claimed"] == {"MEETING 1h": 1}
    assert sweep_reminder_source("MEETING 1h", now.isoformat()) is None
