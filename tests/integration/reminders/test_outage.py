"""Nothing swept for hours: what fell due meanwhile is reminded of late while that makes sense, and never after the event."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from settings import Settings
from tasks.reminders import sources
from tasks.reminders.meetings import DAY_BEFORE, HOUR_BEFORE
from tests.reminding import HOUR, MINUTE, add_meeting, claims, database_time, remember_sweep, reminders, swept


@pytest.fixture
def now(app_settings: Settings) -> datetime:
    """Now, after seven hours without a sweep."""
    now = database_time()
    for source in sources():
        remember_sweep(source, now - 7 * HOUR)
    return now


def test_what_fell_due_meanwhile_is_reminded_of_late_and_says_how_near_it_is(now: datetime) -> None:
    for late in (30 * MINUTE, 3 * HOUR, 7 * HOUR):
        add_meeting(now + 24 * HOUR - late)
    assert swept(now, only=DAY_BEFORE)["claimed"] == {"MEETING 24h": 3}
    assert all(mail.next_attempt_at == now and mail.send_at is None for mail in reminders())
    assert {mail.payload["lead_time"] for mail in reminders()} == {"24 hours", "21 hours", "17 hours"}


def test_what_fell_due_longer_ago_was_swept_before_the_outage_or_was_booked_too_late(now: datetime) -> None:
    add_meeting(now + 24 * HOUR - 8 * HOUR - MINUTE)
    swept(now, only=DAY_BEFORE)
    assert not reminders()


def test_beyond_the_limit_nobody_is_reminded_however_long_the_outage_was(now: datetime) -> None:
    remember_sweep(DAY_BEFORE, now - timedelta(days=3))
    add_meeting(now + 12 * HOUR - MINUTE)
    add_meeting(now + 12 * HOUR + MINUTE)
    swept(now, only=DAY_BEFORE)
    assert [claim.occurrence for claim in claims()] == [now + 12 * HOUR + MINUTE]


def test_an_hour_before_is_caught_up_until_just_before_the_meeting(now: datetime) -> None:
    for left in (-30 * MINUTE, MINUTE, 6 * MINUTE, 40 * MINUTE):
        add_meeting(now + left)
    swept(now, only=HOUR_BEFORE)
    assert [mail.payload["lead_time"] for mail in sorted(reminders(), key=lambda mail: mail.payload["starts_at"])] == [
        "6 minutes",
        "40 minutes",
    ]


def test_afterwards_the_sweep_looks_no_further_back_than_usual(now: datetime) -> None:
    swept(now)
    add_meeting(now + 20 * HOUR)  # booked now, four hours too late for its day before
    swept(now + 30 * MINUTE)
    assert not reminders()


def test_an_outage_of_one_source_is_caught_up_by_itself(now: datetime) -> None:
    remember_sweep(HOUR_BEFORE, now)
    add_meeting(now + 24 * HOUR - 3 * HOUR)
    add_meeting(now + 10 * MINUTE)
    swept(now)
    assert {claim.reminder_type for claim in claims()} == {"24h", "1h"}
