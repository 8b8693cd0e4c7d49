"""The functions around ``reminders_sent``: claiming by hand, asking, listing, cleaning up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from models.connection import engine, transaction
from models.heartbeats import last_success
from models.reminders_sent import (
    cleanup_old_reminders,
    get_reminders_sent_for_entity,
    mark_reminder_as_sent,
    recent_reminders,
    was_reminder_sent,
)
from tasks.reminder_cleanup import cleanup_old_reminders as nightly

pytestmark = pytest.mark.usefixtures("app_settings")

ENTITY, PERSON = uuid4(), uuid4()
THEN = datetime(2026, 5, 1, 9, 0, tzinfo=UTC)


def mark(session: Session, reminder_type: str = "24h", entity: UUID = ENTITY, **values: datetime) -> bool:
    return mark_reminder_as_sent(session, "MEETING", entity, reminder_type, PERSON, **values)


def test_the_first_may_send_and_everybody_after_may_not() -> None:
    with transaction() as session:
        assert mark(session)
        assert not mark(session)
    with transaction() as session:
        assert not mark(session)
        assert mark(session, "1h")
        assert mark(session, entity=uuid4())


def test_another_occurrence_is_another_reminder() -> None:
    with transaction() as session:
        assert mark(session, occurrence=THEN)
        assert not mark(session, occurrence=THEN)
        assert mark(session, occurrence=THEN + timedelta(days=7))


def test_a_rolled_back_claim_is_free_again() -> None:
    with Session(engine()) as session:
        assert mark(session)
        session.rollback()
    with transaction() as session:
        assert mark(session)


def test_of_many_at_once_one_may_send() -> None:
    start, won = Barrier(8), []

    def claim() -> None:
        start.wait()
        with transaction() as session:
            won.append(mark(session))

    threads = [Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 7 + [True]


def test_was_it_sent_for_this_occurrence_or_for_any() -> None:
    with transaction() as session:
        assert not was_reminder_sent(session, "MEETING", ENTITY, "24h", PERSON)
        mark(session, occurrence=THEN)
        assert was_reminder_sent(session, "MEETING", ENTITY, "24h", PERSON)
        assert was_reminder_sent(session, "MEETING", ENTITY, "24h", PERSON, occurrence=THEN)
        assert not was_reminder_sent(session, "MEETING", ENTITY, "24h", PERSON, occurrence=THEN + timedelta(days=7))
        assert not was_reminder_sent(session, "MEETING", ENTITY, "1h", PERSON)
        assert not was_reminder_sent(session, "WORKOUT", ENTITY, "24h", PERSON)


def test_the_claims_of_an_entity_are_listed_the_newest_first() -> None:
    for reminder_type in ("24h", "1h"):
        with transaction() as session:
            mark(session, reminder_type)
    with transaction() as session:
        mark(session, entity=uuid4())
    with transaction() as session:
        assert [claim.reminder_type for claim in get_reminders_sent_for_entity(session, "MEETING", ENTITY)] == ["1h", "24h"]
        assert get_reminders_sent_for_entity(session, "WORKOUT", ENTITY) == []
        assert len(recent_reminders(session, limit=2)) == 2
        assert recent_reminders(session, entity_type="WORKOUT") == []


@pytest.mark.parametrize("clean", [lambda session: cleanup_old_reminders(session, days=90, batch=3), lambda _: nightly()["removed"]])
def test_only_what_is_old_and_over_is_removed(clean: Callable[[Session], int]) -> None:
    for number in range(7):
        add_old(days=91 + number)
    kept = [add_old(days=89), add_old(days=400, occurrence="2100-01-01")]
    with Session(engine()) as session:
        assert clean(session) == 7
    with transaction() as session:
        assert set(session.execute(text("SELECT id FROM reminders_sent")).scalars()) == set(kept)


def test_the_nightly_cleanup_leaves_a_heartbeat() -> None:
    nightly()
    with transaction() as session:
        assert last_success(session, "tasks.cleanup_old_reminders") is not None


def add_old(*, days: int, occurrence: str = "2020-01-01") -> UUID:
    statement = text(
        "INSERT INTO reminders_sent (entity_type, entity_id, reminder_type, user_id, occurrence, claimed_at) VALUES"
        " ('MEETING', gen_random_uuid(), '24h', gen_random_uuid(), CAST(:occurrence AS timestamptz), now() - make_interval(days => :days))"
        " RETURNING id"
    )
    with transaction() as session:
        return UUID(str(session.execute(statement, {"days": days, "occurrence": occurrence}).scalar_one()))
