"""Before a reminder leaves it is checked again, one by one and many at once."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, text

from models.connection import transaction
from models.meetings import Meeting
from models.notifications import Notification
from models.reminders_sent import was_reminder_sent
from models.users import User
from settings import Settings
from simulator.control import SimulatorClient
from tasks.emails import kind_of
from tasks.emails.enqueueing import enqueue
from tasks.emails.last_check import Leaving, no_longer_wanted
from tests.mailing import attempt, log_of, row_of
from tests.reminding import HOUR, MINUTE, add_meeting, change_meeting, claims, database_time, make_leave_now, reminders, swept


@pytest.fixture
def mailing(simulator: SimulatorClient, app_environment: dict[str, str]) -> SimulatorClient:
    """The product sends its mail to the simulator; ask for it before ``app_settings``."""
    app_environment.update(simulator.environment())
    return simulator


@pytest.fixture
def claimed(mailing: SimulatorClient, app_settings: Settings) -> UUID:
    """A meeting in 24 hours whose reminder waits to leave."""
    meeting_id = add_meeting(database_time() + 24 * HOUR)
    swept()
    make_leave_now()
    return meeting_id


def test_a_reminder_of_what_still_stands_is_sent_in_its_readers_time(claimed: UUID, simulator: SimulatorClient) -> None:
    [mail] = reminders()
    assert attempt(mail.id) == "sent"
    [sent] = simulator.emails()
    assert sent.subject == "In 24 hours: Quarterly review"
    assert "Europe/Berlin" in str(sent.text)
    assert "CET" in str(sent.text) or "CEST" in str(sent.text)


def test_a_cancelled_meetings_reminder_is_dropped_and_logged_so(claimed: UUID, simulator: SimulatorClient) -> None:
    change_meeting(claimed, status="cancelled")
    [mail] = reminders()
    assert attempt(mail.id) == "dropped"
    assert not simulator.emails()
    assert (row_of(mail.id).status, row_of(mail.id).last_error) == ("dropped", "not sent: it was cancelled")
    assert [(line.event, line.detail) for line in log_of(mail.id)][1:] == [("dropped", {"why": "it was cancelled"})]


def test_a_moved_meetings_reminder_is_dropped_and_comes_again_for_its_new_time(claimed: UUID, simulator: SimulatorClient) -> None:
    change_meeting(claimed, scheduled_at=database_time() + 24 * HOUR + 30 * MINUTE)
    swept()
    old, new = sorted(reminders(), key=lambda mail: mail.payload["starts_at"])
    make_leave_now()
    assert (attempt(old.id), attempt(new.id)) == ("dropped", "sent")
    assert row_of(old.id).last_error == "not sent: it was moved"
    assert len(simulator.emails()) == 1


def test_a_dropped_reminder_gives_its_claim_back_so_that_a_reinstated_meeting_is_reminded_of(
    claimed: UUID, simulator: SimulatorClient
) -> None:
    change_meeting(claimed, status="cancelled")
    attempt(reminders()[0].id)
    assert not claims()
    change_meeting(claimed, status="scheduled")
    swept()
    make_leave_now()
    [mail] = [mail for mail in reminders() if mail.status == "pending"]
    assert attempt(mail.id) == "sent"


@pytest.mark.parametrize(("passed", "why"), [(25 * HOUR, "it has begun"), (13 * HOUR, "too late to be of use")], ids=["begun", "too late"])
def test_a_reminder_that_waited_too_long_is_not_sent(claimed: UUID, passed: timedelta, why: str) -> None:
    earlier = database_time() + 24 * HOUR - passed
    with transaction() as session:
        session.execute(text("UPDATE reminders_sent SET occurrence = :earlier"), {"earlier": earlier})
    change_meeting(claimed, scheduled_at=earlier)
    [mail] = reminders()
    assert attempt(mail.id) == "dropped"
    assert row_of(mail.id).last_error == f"not sent: {why}"


def test_many_are_judged_by_one_call_and_others_mails_are_none_of_its_business(claimed: UUID) -> None:
    for number in range(1, 4):
        add_meeting(database_time() + 24 * HOUR + number * MINUTE)
    swept()
    with transaction() as session:
        session.query(Meeting).filter(Meeting.scheduled_at > func.now() + 24 * HOUR + 90 * timedelta(seconds=1)).update(
            {"status": "cancelled"}
        )
        session.add(User(email="else@example.com"))
        other = Notification(notification_type="welcome", recipient_email="else@example.com", dedupe_key="w", fingerprint="")
        session.add(other)
        session.flush()
        leaving = [Leaving(mail.id, mail.notification_type) for mail in session.query(Notification).all()]
        unwanted = no_longer_wanted(session, leaving)
    assert set(unwanted.values()) == {"it was cancelled"}
    assert len(unwanted) == 2
    assert other.id not in unwanted
    assert {claim.id for claim in claims()} == {mail.id for mail in reminders()} - set(unwanted) - {other.id}


def test_a_meeting_reminder_that_no_sweep_made_is_sent(mailing: SimulatorClient, app_settings: Settings) -> None:
    with transaction() as session:
        sample = kind_of("meeting_reminder").sample.model_dump(mode="json")
        by_hand = enqueue(session, "meeting_reminder", "ada@example.com", sample, dedupe_key="by-hand")
        assert not was_reminder_sent(session, "MEETING", by_hand, "24h", by_hand)
    assert attempt(by_hand) == "sent"
