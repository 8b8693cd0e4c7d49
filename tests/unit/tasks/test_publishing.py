from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest
import redis
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from tasks.envelope import Message
from tasks.publishing import RedisDoorbell, install_doorbell, publish_after_commit

MESSAGE = Message("tasks.canary", (), "sweeps")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class AwayRedis:
    """Refuses every connection, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def pipeline(self, **_: Any) -> redis.client.Pipeline:
        self.asked += 1
        raise redis.ConnectionError("refused")


class Notebook:
    def __init__(self) -> None:
        self.rung: list[Message] = []

    def publish(self, messages: Sequence[Message]) -> bool:
        self.rung += messages
        return True


@pytest.fixture
def notebook() -> Any:
    notebook = Notebook()
    install_doorbell(notebook)
    yield notebook
    install_doorbell(None)


@pytest.fixture
def session() -> Any:
    with Session(create_engine("sqlite://")) as session:
        yield session


def test_a_silent_redis_is_not_asked_again_before_the_pause_is_over() -> None:
    away, clock = AwayRedis(), Clock()
    doorbell = RedisDoorbell(cast("redis.Redis", away), pause_seconds=1, clock=clock)
    assert [doorbell.publish([MESSAGE]) for _ in range(5)] == [False] * 5
    assert away.asked == 1
    clock.now += 1
    doorbell.publish([MESSAGE])
    assert away.asked == 2


def test_nothing_to_publish_is_published_even_if_redis_is_away() -> None:
    assert RedisDoorbell(cast("redis.Redis", AwayRedis())).publish([])


def test_a_message_is_published_after_the_commit_and_not_before(session: Session, notebook: Notebook) -> None:
    publish_after_commit(session, MESSAGE)
    publish_after_commit(session, MESSAGE)
    assert notebook.rung == []
    session.commit()
    assert notebook.rung == [MESSAGE, MESSAGE]
    session.commit()
    assert len(notebook.rung) == 2


def test_a_rollback_forgets_its_messages(session: Session, notebook: Notebook) -> None:
    session.begin()
    publish_after_commit(session, MESSAGE)
    session.rollback()
    session.begin()
    session.commit()
    assert notebook.rung == []
