"""The sweep claims what is due, once, and queues its mail in the same transaction."""

from __future__ import annotations

from datetime import datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from local.postgres import Postgres
from models.connection import transaction
from models.meetings import Meeting
from models.notification_event_logs import NotificationEventLog
from models.reminders_sent import mark_reminder_as_sent
from models.users import User
from settings import Settings
from tasks.emails.enqueueing import enqueue
from tasks.reminder_sweep import sweep, sweep_reminders
from tasks.reminder_walk import SourceSweep
from tasks.reminders.checkins import WEEKLY
from tasks.reminders.meetings import DAY_BEFORE, HOUR_BEFORE
from tests.reminding import HOUR, MINUTE, add_dated, add_meeting, add_person, claims, database_time, reminders, swept

pytestmark = pytest.mark.usefixtures("app_settings")


@pytest.fixture
def now(app_settings: Settings) -> datetime:
    return database_time()


def test_a_reminder_is_claimed_before_it_is_due_and_leaves_at_the_minute(now: datetime) -> None:
    meeting_id = add_meeting(now + 24 * HOUR + 40 * MINUTE, join_url="https://meet.example.com/1")
    report = swept(now)
    [claim], [mail] = claims(), reminders()
    assert report["claimed"]["MEETING 24h"] == 1
    assert (claim.entity_type, claim.entity_id, claim.reminder_type) == ("MEETING", meeting_id, "24h")
    assert (claim.id, claim.user_id, claim.occurrence) == (mail.id, mail.user_id, now + 24 * HOUR + 40 * MINUTE)
    assert mail.send_at == mail.next_attempt_at == mail.sweep_at == now + 40 * MINUTE
    assert (mail.notification_type, mail.status) == ("meeting_reminder", "pending")
    assert mail.payload["lead_time"] == "24 hours"
    assert datetime.fromisoformat(mail.payload["starts_at"]) == claim.occurrence
    assert (mail.payload["title"], mail.payload["time_zone"], mail.payload["name"]) == ("Quarterly review", "Europe/Berlin", "Ada")
    assert mail.payload["join_url"] == "https://meet.example.com/1"


def test_what_is_due_already_leaves_at_once_and_says_what_is_left(now: datetime) -> None:
    add_meeting(now + 24 * HOUR - 50 * MINUTE)
    swept(now)
    [mail] = reminders()
    assert mail.send_at is None
    assert mail.next_attempt_at == now
    assert mail.payload["lead_time"] == "23 hours"


@pytest.mark.parametrize(
    ("left", "words"),
    [
        ("20 seconds", "1 minute"),
        ("45 minutes", "45 minutes"),
        ("59 minutes 40 seconds", "1 hour"),
        ("100 minutes", "100 minutes"),
        ("5 hours 50 minutes", "6 hours"),
        ("24 hours", "24 hours"),
        ("3 days 2 hours", "3 days"),
        ("7 days", "1 week"),
        ("14 days", "2 weeks"),
    ],
)
def test_the_time_left_is_said_as_people_say_it(left: str, words: str) -> None:
    with transaction() as session:
        assert session.execute(text("SELECT time_left_in_words(CAST(:left AS interval))"), {"left": left}).scalar_one() == words


def test_a_second_sweep_claims_nothing(now: datetime) -> None:
    add_meeting(now + 24 * HOUR)
    swept(now)
    report = swept(now + 30 * MINUTE)
    assert not any(report["claimed"].values())
    assert (len(claims()), len(reminders())) == (1, 1)


def test_every_source_on_the_shelf_reminds(now: datetime) -> None:
    add_meeting(now + HOUR)
    add_meeting(now + 24 * HOUR)
    add_dated("CHECKIN", now + 24 * HOUR, weekly=True)
    add_dated("WORKOUT", now + HOUR)
    add_dated("MEAL_PREP", now + 24 * HOUR)
    assert swept(now) == {
        "claimed": {"CHECKIN weekly": 1, "MEAL_PREP 1d": 1, "MEETING 1h": 1, "MEETING 24h": 1, "WORKOUT 1h": 1},
        "busy": [],
        "failed": {},
    }
    kinds = sorted(mail.notification_type for mail in reminders())
    assert kinds == ["checkin_reminder", "meal_prep_reminder", "meeting_reminder", "meeting_reminder", "workout_reminder"]


@pytest.mark.parametrize("status", ["cancelled", "completed"])
def test_what_does_not_take_place_is_not_reminded_of(now: datetime, status: str) -> None:
    add_meeting(now + 24 * HOUR, status=status)
    swept(now)
    assert not reminders()


def test_nobody_is_reminded_of_what_has_begun(now: datetime) -> None:
    add_meeting(now - MINUTE)
    add_meeting(now)
    swept(now)
    assert not reminders()


def test_a_meeting_booked_too_late_for_its_day_before_gets_only_the_hour_before(now: datetime) -> None:
    swept(now - 30 * MINUTE)
    add_meeting(now + HOUR + 30 * MINUTE)
    swept(now)
    [mail] = reminders()
    assert mail.payload["lead_time"] == "1 hour"


def test_a_moved_meeting_is_reminded_of_again_and_an_unmoved_one_is_not(now: datetime) -> None:
    meeting_id = add_meeting(now + 24 * HOUR)
    swept(now)
    with transaction() as session:
        session.get_one(Meeting, meeting_id).scheduled_at = now + 48 * HOUR
    swept(now + 24 * HOUR)
    assert [claim.occurrence for claim in claims() if claim.reminder_type == "24h"] == [now + 24 * HOUR, now + 48 * HOUR]


def test_everybody_of_one_instant_is_reminded_once_in_chunks_of_any_size(now: datetime) -> None:
    with transaction() as session:
        people = [add_person(session) for _ in range(23)]
        session.add_all(Meeting(user_id=person, title="All hands", scheduled_at=now + HOUR) for person in people)
        session.add_all(Meeting(user_id=person, title="Later", scheduled_at=now + HOUR + MINUTE) for person in people)
    steps = list(SourceSweep(HOUR_BEFORE, now, chunk=5))
    assert [step.due for step in steps] == [*range(5, 46, 5), 46]
    assert steps[-1].claimed == len(claims()) == len(reminders()) == 46


def test_the_log_of_each_mail_begins_with_its_promise(now: datetime) -> None:
    add_meeting(now + 24 * HOUR)
    swept(now)
    with transaction() as session:
        [line] = session.query(NotificationEventLog).all()
    [mail] = reminders()
    assert (line.notification_id, line.event, line.detail) == (mail.id, "queued", {"reminder": "MEETING 24h"})


def test_a_reminder_is_the_row_that_queue_notification_would_make(now: datetime) -> None:
    add_meeting(now + 24 * HOUR + MINUTE)
    swept(now)
    [mail] = reminders()
    with transaction() as session:
        again = enqueue(
            session,
            mail.notification_type,
            mail.recipient_email,
            mail.payload,
            dedupe_key=mail.dedupe_key,
            user_id=mail.user_id,
            send_at=mail.send_at,
        )
    assert again == mail.id


def test_a_claim_without_its_mail_does_not_stay(now: datetime) -> None:
    add_meeting(now + 24 * HOUR)
    with transaction() as session:
        session.execute(text("ALTER TABLE notification_event_logs ADD CONSTRAINT broken CHECK (event <> 'queued')"))
    assert swept(now)["failed"] == {"MEETING 24h": "BadRowsError"}
    assert not claims()
    with transaction() as session:
        session.execute(text("ALTER TABLE notification_event_logs DROP CONSTRAINT broken"))
    swept(now)
    assert len(claims()) == len(reminders()) == 1


def test_a_reminder_that_somebody_claimed_by_hand_is_not_sent(now: datetime) -> None:
    meeting_id = add_meeting(now + 24 * HOUR)
    with transaction() as session:
        user_id = session.get_one(Meeting, meeting_id).user_id
        assert mark_reminder_as_sent(session, "MEETING", meeting_id, "24h", user_id, occurrence=now + 24 * HOUR)
    swept(now)
    assert not reminders()


def test_one_row_that_cannot_be_reminded_of_does_not_stop_the_others(now: datetime) -> None:
    ids = [add_meeting(now + 24 * HOUR + number * MINUTE) for number in range(30)]
    with transaction() as session:
        bad = session.get_one(Meeting, ids[13]).user_id
        session.execute(text("ALTER TABLE notifications ADD CONSTRAINT broken CHECK (recipient_email <> 'bad@example.com')"))
        session.get_one(User, bad).email = "bad@example.com"
    assert swept(now)["failed"] == {"MEETING 24h": "BadRowsError"}
    assert len(claims()) == len(reminders()) == 29
    with transaction() as session:
        [failed] = session.execute(text("SELECT * FROM failed_operations")).mappings().all()
    assert (failed["operation_type"], failed["operation_name"]) == ("job", "tasks.sweep_reminder_source")
    assert failed["event_data"] == {"args": ["MEETING 24h"], "kwargs": {}}
    assert str(ids[13]) in failed["error_message"]
    assert "example.com" not in str(dict(failed))


def test_a_database_that_is_away_is_an_outage_and_not_a_fault_of_the_sources(postgres_server: Postgres, now: datetime) -> None:
    add_meeting(now + 24 * HOUR)
    postgres_server.stop()
    with pytest.raises(DBAPIError):
        sweep([DAY_BEFORE, WEEKLY], now=now)
    assert sweep_reminders() is None  # the next one will do it
