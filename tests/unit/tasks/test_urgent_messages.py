"""A mail that somebody waits for overtakes all that wait in its queue."""

from __future__ import annotations

import json
from typing import Any, cast
from uuid import uuid4

import pytest
import redis

from tasks.emails import kind_names, urgent_kinds
from tasks.emails.enqueueing import QUEUE
from tasks.envelope import Message
from tasks.mail.sending import message_for
from tasks.publishing import LONG_QUEUE, RedisDoorbell

USUAL, URGENT = Message("tasks.send_welcome_email", ("1",), QUEUE), Message("tasks.send_magic_link_email", ("2",), QUEUE, urgent=True)


class Line:
    """A queue in memory: workers take from its end, as from Redis by BRPOP."""

    def __init__(self) -> None:
        self.waiting: list[str] = []
        self.length = 0

    def pipeline(self, **_: Any) -> Line:
        self._answers: list[int] = []
        return self

    def lpush(self, _queue: str, *elements: str) -> None:
        self.waiting = [*reversed(elements), *self.waiting]
        self._answers.append(self.length)

    def rpush(self, _queue: str, *elements: str) -> None:
        self.waiting = [*self.waiting, *elements]
        self._answers.append(self.length)

    def execute(self) -> list[int]:
        return self._answers

    @property
    def in_order(self) -> list[str]:
        """The tasks as workers take them."""
        return [json.loads(element)["headers"]["task"] for element in reversed(self.waiting)]


@pytest.fixture
def line() -> Line:
    return Line()


def test_an_urgent_message_is_taken_before_those_that_wait(line: Line) -> None:
    doorbell = RedisDoorbell(cast("redis.Redis", line))
    doorbell.publish([USUAL, USUAL])
    doorbell.publish([USUAL, URGENT])
    assert line.in_order == [URGENT.task, USUAL.task, USUAL.task, USUAL.task]


def test_a_long_queue_is_left_alone_by_all_but_urgent_messages(line: Line) -> None:
    now = 0.0
    doorbell = RedisDoorbell(cast("redis.Redis", line), clock=lambda: now)
    line.length = LONG_QUEUE
    doorbell.publish([USUAL])
    assert doorbell.publish([USUAL, URGENT])
    assert line.in_order == [URGENT.task, USUAL.task]
    line.length, now = 0, 1.0
    doorbell.publish([USUAL])
    assert len(line.waiting) == 3


def test_a_sign_in_link_is_urgent_and_a_welcome_is_not() -> None:
    assert [name for name in kind_names() if message_for(name, uuid4()).urgent] == urgent_kinds() == ["magic_link"]
