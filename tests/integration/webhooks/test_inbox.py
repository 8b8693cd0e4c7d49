"""Promises of ``webhooks.inbox``: one commit for many, and never a lost or a hanging request."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from local.postgres import Postgres
from models.webhook_inbox import IncomingEvent, StoredEvent
from tests.eventually import eventually
from webhooks.inbox import Inbox, InboxUnavailableError


def event(name: str) -> IncomingEvent:
    return IncomingEvent("stripe", name, "some.type", b"{}", {}, False, None, None, "test")


def inbox(database_url: str, told: list[StoredEvent] | None = None, **options: Any) -> Inbox:
    def connect() -> psycopg.Connection[Any]:
        return psycopg.connect(database_url, autocommit=True, connect_timeout=2)

    return Inbox(connect, (told if told is not None else []).extend, grace_seconds=0, **options)


def count(database_url: str) -> int:
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT count(*) FROM webhook_events").fetchone()
    assert row is not None
    return int(row[0])


def test_each_of_many_threads_gets_the_row_of_its_own_event(database_url: str) -> None:
    box = inbox(database_url)
    names = [f"evt_{number}" for number in range(300)]
    with ThreadPoolExecutor(32) as threads:
        stored = list(threads.map(lambda name: box.store(event(name)), names))
    assert [row.provider_event_id for row in stored] == names
    assert count(database_url) == 300


def test_it_connects_before_the_first_event_has_to_wait_for_it(database_url: str) -> None:
    connected: list[bool] = []

    def connect() -> psycopg.Connection[Any]:
        connected.append(True)
        return psycopg.connect(database_url, autocommit=True)

    box = Inbox(connect, lambda _stored: None, grace_seconds=0)
    assert eventually(lambda: connected == [True])
    box.store(event("evt_1"))
    assert connected == [True]


def test_the_same_event_from_many_threads_is_one_row_and_one_of_them_is_fresh(database_url: str) -> None:
    box = inbox(database_url)
    with ThreadPoolExecutor(32) as threads:
        stored = list(threads.map(lambda _: box.store(event("evt_same")), range(64)))
    assert len({row.id for row in stored}) == 1
    assert count(database_url) == 1


def test_two_receivers_with_the_same_events_do_not_lock_each_other_out(database_url: str) -> None:
    boxes = [inbox(database_url), inbox(database_url)]
    names = [f"evt_{number % 20}" for number in range(400)]
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda pair: boxes[pair[0] % 2].store(event(pair[1])), enumerate(names)))
    assert count(database_url) == 20


def test_what_is_stored_is_told_after_the_commit(database_url: str) -> None:
    told: list[StoredEvent] = []
    visible: list[int] = []

    class Told(list[StoredEvent]):
        def extend(self, stored: Any) -> None:
            visible.append(count(database_url))
            told.extend(stored)

    inbox(database_url, Told()).store(event("evt_1"))
    eventually(lambda: told != [])
    assert visible == [1]


def test_without_a_database_a_request_is_refused_in_time_and_the_next_one_at_once(database_url: str, postgres_server: Postgres) -> None:
    box = inbox(database_url, pause_seconds=30)
    box.store(event("evt_1"))
    postgres_server.stop()
    try:
        for limit in (2.0, 0.1):
            started = time.monotonic()
            with pytest.raises(InboxUnavailableError):
                box.store(event("evt_2"))
            assert time.monotonic() - started < limit
    finally:
        postgres_server.start()


def test_it_stores_again_as_soon_as_the_database_is_back(database_url: str, postgres_server: Postgres) -> None:
    box = inbox(database_url, pause_seconds=0.05)
    box.store(event("evt_1"))
    postgres_server.restart()

    def accepted() -> bool:
        try:
            return box.store(event("evt_2")).fresh
        except InboxUnavailableError:
            return False

    eventually(accepted)
    assert count(database_url) == 2
