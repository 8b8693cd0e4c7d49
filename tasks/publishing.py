"""Ringing the doorbell: pushes task messages into Redis, never waits long for it, and never raises.

A message only says "look now"; the row is already committed. What cannot be pushed is found by the recovery sweep.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Protocol
from urllib.parse import urlsplit

import redis
import structlog
from sqlalchemy import event
from sqlalchemy.orm import Session

from settings import get_settings
from tasks.envelope import Message, encode_all

log = structlog.get_logger()

WITHOUT_MESSAGES = frozenset({"emails"})  # the sweep lets these leave many at once
LONG_QUEUE = 1_000
LEFT_ALONE_SECONDS = 1.0


class Doorbell(Protocol):
    """Whatever takes messages without raising: the direct publisher below, or the web process's background thread."""

    def publish(self, messages: Sequence[Message]) -> bool: ...


class RedisDoorbell:
    """Pushes at once, within ``timeout_seconds``; after a failure it stays silent for ``pause_seconds``.

    Where many rows leave without messages of their own (``WITHOUT_MESSAGES``) a long queue is left as it is for a second: what waits
    there would only find its row done.
    """

    def __init__(self, client: redis.Redis, *, pause_seconds: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._pause_seconds = pause_seconds
        self._clock = clock
        self._silent_until = 0.0
        self._long_until: dict[str, float] = {}

    def publish(self, messages: Sequence[Message]) -> bool:
        """Push all messages in one round trip; False if Redis is away (nobody has to do anything then)."""
        wanted = [message for message in messages if message.urgent or self._clock() >= self._long_until.get(message.queue, 0)]
        if not wanted or self._clock() < self._silent_until:
            return not wanted
        try:
            self._push(wanted)
        except redis.RedisError as error:
            self._silent_until = self._clock() + self._pause_seconds
            log.warning("doorbell.silent", messages=len(wanted), error=type(error).__name__, pause_seconds=self._pause_seconds)
            return False
        return True

    def _push(self, messages: Sequence[Message]) -> None:
        pipeline = self._client.pipeline(transaction=False)
        lanes = encode_all(messages)
        for (queue, urgent), elements in lanes.items():
            if urgent:
                pipeline.rpush(queue, *reversed(elements))  # the end that is taken from
            else:
                pipeline.lpush(queue, *elements)
        for (queue, _), length in zip(lanes, pipeline.execute(), strict=True):
            if queue in WITHOUT_MESSAGES and length >= LONG_QUEUE:
                self._long_until[queue] = self._clock() + LEFT_ALONE_SECONDS


def redis_client(*, timeout_seconds: float) -> redis.Redis:
    """A client of the broker that gives up after ``timeout_seconds``, without retries of its own."""
    url = get_settings().redis_url
    secure: dict[str, Any] = {"ssl_cert_reqs": "none"} if urlsplit(url).scheme == "rediss" else {}
    return redis.Redis.from_url(
        url, socket_timeout=timeout_seconds, socket_connect_timeout=timeout_seconds, socket_keepalive=True, retry=None, **secure
    )


@cache
def _direct() -> Doorbell:
    return RedisDoorbell(redis_client(timeout_seconds=0.1))


_installed: Doorbell | None = None


def install_doorbell(doorbell: Doorbell | None) -> None:
    """Let ``publish`` go through this doorbell in this process (None: push directly)."""
    global _installed  # noqa: PLW0603 - one per process, set once at its start
    _installed = doorbell


def publish(messages: Sequence[Message]) -> bool:
    """Ring for these messages now; True if they were taken. Only call it after the rows are committed."""
    return (_installed or _direct()).publish(messages)


def queue_length(queue: str) -> int:
    """How many messages wait in this queue; raises ``redis.RedisError`` if Redis is away."""
    return int(redis_client(timeout_seconds=2).llen(queue))


def publish_after_commit(session: Session, message: Message) -> None:
    """Ring once this session's transaction is committed; a rollback forgets it."""
    waiting: list[Message] | None = session.info.get("redrive_messages")
    if waiting is None:
        waiting = session.info["redrive_messages"] = []
        event.listen(session, "after_commit", _ring)
        event.listen(session, "after_soft_rollback", _forget)
    waiting.append(message)


def _ring(session: Session) -> None:
    waiting = session.info["redrive_messages"]
    messages, waiting[:] = list(waiting), []
    publish(messages)


def _forget(session: Session, _previous: object) -> None:
    if not session.in_nested_transaction():
        session.info["redrive_messages"].clear()
