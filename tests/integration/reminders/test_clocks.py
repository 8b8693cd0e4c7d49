"""Time zones and clock changes: due times are counted in hours that pass, mails show the reader's clock, weeks keep the hour."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from models.connection import transaction
from models.dated_entities import DatedEntity, move_weekly_on
from settings import Settings, get_settings
from tasks.emails import kind_of
from tasks.emails.rendering import render
from tasks.reminders.checkins import WEEKLY
from tasks.reminders.meetings import DAY_BEFORE
from tests.reminding import HOUR, MINUTE, add_dated, add_meeting, claims, database_time, reminders, swept

pytestmark = pytest.mark.usefixtures("app_settings")

BERLIN, AUSTIN = ZoneInfo("Europe/Berlin"), ZoneInfo("America/Chicago")


@pytest.mark.parametrize(
    ("starts", "due_on_the_clock"),
    [
        pytest.param(datetime(2027, 3, 28, 12, 0, tzinfo=BERLIN), "2027-03-27T11:00+01:00", id="the day has 23 hours"),
        pytest.param(datetime(2027, 10, 31, 12, 0, tzinfo=BERLIN), "2027-10-30T13:00+02:00", id="the day has 25 hours"),
        pytest.param(datetime(2027, 6, 1, 12, 0, tzinfo=BERLIN), "2027-05-31T12:00+02:00", id="an ordinary day"),
    ],
)
def test_24_hours_before_is_24_hours_before_when_clocks_change(starts: datetime, due_on_the_clock: str) -> None:
    due = datetime.fromisoformat(due_on_the_clock)
    add_meeting(starts)
    assert swept(due - HOUR - MINUTE, only=DAY_BEFORE)["claimed"] == {"MEETING 24h": 0}
    swept(due - 30 * MINUTE, only=DAY_BEFORE)
    [mail] = reminders()
    assert mail.next_attempt_at == due
    assert mail.payload["lead_time"] == "24 hours"


def test_each_reader_sees_the_meeting_on_the_own_clock() -> None:
    now, starts = datetime(2027, 3, 13, 18, 0, tzinfo=AUSTIN), datetime(2027, 3, 14, 18, 0, tzinfo=AUSTIN)
    for zone in ("America/Chicago", "Europe/Berlin", "Asia/Kolkata"):
        add_meeting(starts, time_zone=zone)
    swept(now, only=DAY_BEFORE)
    kind = kind_of("meeting_reminder")
    texts = {
        mail.payload["time_zone"]: render(kind, kind.parameters.read(kind.name, mail.payload, strict=True), get_settings()).text
        for mail in reminders()
    }
    assert "6:00\N{NO-BREAK SPACE}PM CDT" in texts["America/Chicago"]
    assert "Monday, March 15, 2027" in texts["Europe/Berlin"]
    assert "12:00\N{NO-BREAK SPACE}AM CET" in texts["Europe/Berlin"]
    assert "4:30\N{NO-BREAK SPACE}AM IST" in texts["Asia/Kolkata"]


@pytest.fixture
def now(app_settings: Settings) -> datetime:
    return database_time()


def scheduled_at(entity_id: UUID) -> datetime:
    with transaction() as session:
        return session.get_one(DatedEntity, entity_id).scheduled_at


def test_a_weekly_checkin_is_reminded_of_each_week(now: datetime) -> None:
    checkin = add_dated("CHECKIN", now - MINUTE, weekly=True)
    swept(now, only=WEEKLY)
    next_one = scheduled_at(checkin)
    assert next_one.astimezone(BERLIN).replace(tzinfo=None) == (now - MINUTE).astimezone(BERLIN).replace(tzinfo=None) + timedelta(days=7)
    assert not reminders()
    swept(next_one - 24 * HOUR, only=WEEKLY)
    swept(next_one - 23 * HOUR, only=WEEKLY)
    assert [claim.occurrence for claim in claims()] == [next_one]


@pytest.mark.parametrize("weeks", [1, 26, 60])
def test_a_week_keeps_the_hour_of_the_persons_clock_across_clock_changes(now: datetime, weeks: int) -> None:
    then = (now.astimezone(BERLIN) - timedelta(weeks=weeks)).replace(hour=12, minute=0, second=0, microsecond=0)
    checkin = add_dated("CHECKIN", then, weekly=True)
    with transaction() as session:
        assert move_weekly_on(session, "CHECKIN") == 1
    moved = scheduled_at(checkin).astimezone(BERLIN)
    assert now < moved <= now + timedelta(days=7, hours=1)
    assert (moved.hour, moved.minute, moved.weekday()) == (12, 0, then.weekday())


def test_what_is_not_weekly_or_not_over_stays_where_it_is(now: datetime) -> None:
    stays = [
        add_dated("CHECKIN", now - HOUR),
        add_dated("CHECKIN", now + HOUR, weekly=True),
        add_dated("CHECKIN", now - HOUR, weekly=True, status="cancelled"),
        add_dated("WORKOUT", now - HOUR, weekly=True),
    ]
    before = [scheduled_at(entity) for entity in stays]
    with transaction() as session:
        assert move_weekly_on(session, "CHECKIN") == 0
    assert [scheduled_at(entity) for entity in stays] == before


def test_a_person_with_an_unknown_time_zone_does_not_stop_the_others(now: datetime) -> None:
    odd = add_dated("CHECKIN", now - MINUTE, weekly=True, time_zone="Middle/Earth")
    add_dated("CHECKIN", now - MINUTE, weekly=True)
    with transaction() as session:
        assert move_weekly_on(session, "CHECKIN") == 2
    assert scheduled_at(odd) == now - MINUTE + timedelta(days=7)
