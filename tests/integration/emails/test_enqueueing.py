"""A promised email is one row, in the caller's own transaction."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import redis
from sqlalchemy import text
from sqlalchemy.orm import Session

from models.connection import engine, transaction
from models.notifications import load_notification
from settings import Settings
from tasks.emails.enqueueing import enqueue
from tasks.emails.errors import DedupeConflict, InvalidNotification, InvalidPayload, UnknownKind
from tasks.publishing import queue_length

pytestmark = pytest.mark.usefixtures("app_settings")

ADDRESS = "ada@example.com"


def test_the_message_is_published_after_the_commit_and_not_before() -> None:
    with transaction() as session:
        enqueue(session, "welcome", ADDRESS, {"name": "Ada"}, dedupe_key="welcome/1")
        assert queue_length("emails") == 0
    assert queue_length("emails") == 1


def test_a_rolled_back_promise_leaves_neither_row_nor_message() -> None:
    with Session(engine()) as session:
        enqueue(session, "welcome", ADDRESS, {}, dedupe_key="welcome/1")
        session.rollback()
        assert session.execute(text("SELECT count(*) FROM notifications")).scalar_one() == 0
    assert queue_length("emails") == 0


def test_the_same_promise_again_is_the_same_email() -> None:
    with transaction() as session:
        first = enqueue(session, "welcome", ADDRESS, {"name": "Ada"}, dedupe_key="welcome/1")
    with transaction() as session:
        assert enqueue(session, "welcome", ADDRESS, {"name": "Ada"}, dedupe_key="welcome/1") == first
        assert session.execute(text("SELECT count(*) FROM notifications")).scalar_one() == 1


def test_the_same_key_for_another_email_is_refused_without_showing_the_first() -> None:
    with transaction() as session:
        enqueue(session, "welcome", ADDRESS, {"name": "Ada"}, dedupe_key="welcome/1")
    with Session(engine()) as session, pytest.raises(DedupeConflict, match="welcome/1") as raised:
        enqueue(session, "welcome", ADDRESS, {"name": "Grace"}, dedupe_key="welcome/1")
    assert "Grace" not in str(raised.value)


def test_an_email_for_later_is_not_published_now() -> None:
    at = datetime.now(UTC) + timedelta(hours=3)
    with transaction() as session:
        notification_id = enqueue(session, "welcome", ADDRESS, {}, dedupe_key="welcome/1", send_at=at)
    with transaction() as session:
        row = load_notification(session, notification_id)
        assert row.next_attempt_at == row.sweep_at == row.send_at == at
    assert queue_length("emails") == 0


def test_the_sweep_leaves_the_caller_who_publishes_himself_some_seconds(app_settings: Settings) -> None:
    with transaction() as session:
        row = load_notification(session, enqueue(session, "welcome", ADDRESS, {}, dedupe_key="welcome/1"))
        assert (row.sweep_at - row.next_attempt_at).total_seconds() == app_settings.publish_grace_seconds


@pytest.mark.parametrize(
    ("kind", "payload", "error", "words"),
    [
        ("welcom", {}, UnknownKind, "purchase.*welcome"),
        ("welcome", {"nmae": "Ada"}, InvalidPayload, "nmae: Extra inputs"),
        ("magic_link", {"url": "javascript:alert(1)", "expires_in_minutes": -1}, InvalidPayload, "url: .*expires_in_minutes: "),
        ("welcome", {"name": "A\0da"}, InvalidPayload, "cannot store"),
        ("welcome", {"name": "A\ud800"}, InvalidPayload, "payload"),
        ("welcome", {"name": object()}, InvalidPayload, "no form"),
    ],
)
def test_what_cannot_become_an_email_is_refused_with_its_problems(kind: str, payload: dict[str, Any], error: type, words: str) -> None:
    with Session(engine()) as session, pytest.raises(error, match=words):
        enqueue(session, kind, ADDRESS, payload, dedupe_key="some/1")


@pytest.mark.parametrize(
    "call",
    [
        lambda session: enqueue(session, "welcome", "ada@example.com, eve@example.com", {}, dedupe_key="welcome/1"),
        lambda session: enqueue(session, "welcome", ADDRESS, {}, dedupe_key=" "),
        lambda session: enqueue(session, "welcome", ADDRESS, {}, dedupe_key="welcome/1", user_id=uuid4()),
        lambda session: enqueue(session, "welcome", ADDRESS, {}, dedupe_key="welcome/1", send_at=datetime(2030, 1, 1)),  # noqa: DTZ001
    ],
)
def test_an_address_a_key_a_user_or_a_time_that_is_not_valid_is_refused(call: Callable[[Session], object]) -> None:
    with Session(engine()) as session, pytest.raises(InvalidNotification):
        call(session)


def test_redis_away_does_not_disturb_the_promise(redis_server: Any, redis_url: str) -> None:
    redis.Redis.from_url(redis_url).close()
    redis_server.stop()
    with transaction() as session:
        notification_id = enqueue(session, "welcome", ADDRESS, {}, dedupe_key="welcome/1")
    with transaction() as session:
        assert load_notification(session, notification_id).status == "pending"
