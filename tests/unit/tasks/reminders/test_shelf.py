"""The shelf of reminder sources refuses what could not work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

import tasks.reminder_shelf  # noqa: F401 - fills the shelf
from models.meetings import Meeting
from tasks import reminders
from tasks.emails.errors import UnknownKind
from tasks.reminders import ReminderSource, register, sources
from tasks.reminders.meetings import DAY_BEFORE

Change = Callable[[ReminderSource], ReminderSource]


def test_the_shelf_holds_what_its_files_say() -> None:
    found = {(source.entity_type, source.reminder_type): (source.lead, source.email) for source in sources()}
    hour, day = timedelta(hours=1), timedelta(days=1)
    assert found == {
        ("MEETING", "24h"): (day, "meeting_reminder"),
        ("MEETING", "1h"): (hour, "meeting_reminder"),
        ("CHECKIN", "weekly"): (day, "checkin_reminder"),
        ("WORKOUT", "1h"): (hour, "workout_reminder"),
        ("MEAL_PREP", "1d"): (day, "meal_prep_reminder"),
    }
    assert {path.stem for path in Path(reminders.__file__).parent.glob("[a-z]*.py")} == {"meetings", "checkins", "workouts", "meal_preps"}


def test_each_source_has_a_lock_of_its_own() -> None:
    keys = [source.lock_key for source in sources()]
    assert len(set(keys)) == len(keys)
    assert all(-(2**31) <= key < 2**31 for key in keys)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda source: source, ValueError, "MEETING 24h is registered twice"),
        (lambda source: replace(source, entity_type="meeting"), ValueError, "upper case"),
        (lambda source: replace(source, reminder_type="24 h"), ValueError, "reminder type"),
        (lambda source: replace(source, reminder_type="1w", email="metting_reminder"), UnknownKind, "meeting_reminder"),
        (lambda source: replace(source, reminder_type="1w", late_limit=timedelta(0)), ValueError, "late limit"),
        (lambda source: replace(source, reminder_type="1w", lead=timedelta(0)), ValueError, "lead"),
        (
            lambda source: replace(source, reminder_type="1w", due=select(Meeting.user_id, Meeting.scheduled_at)),
            ValueError,
            "does not select entity_id, payload, recipient_email",
        ),
    ],
)
def test_a_source_that_cannot_work_is_refused_at_start(change: Change, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        register(change(DAY_BEFORE))
