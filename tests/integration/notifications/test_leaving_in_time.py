"""An email that another application queues by SQL leaves within five seconds, with or without Beat."""

from __future__ import annotations

import time
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from typing import Any

import psycopg
import pytest

from local.postgres import Postgres
from models.connection import connect_directly
from settings import Settings
from simulator.control import SimulatorClient
from tasks.envelope import Message
from tasks.publishing import publish, queue_length
from tasks.worker.notification_listener import NotificationListener, SweepRinger
from tests.eventually import eventually
from tests.fixtures.processes import ProcfileProcessFactory

Shop = psycopg.Connection[dict[str, Any]]
LONGEST_SECONDS = 5
QUEUE = "SELECT queue_notification('welcome', 'user' || n || '@example.com') FROM generate_series(1, %s) n"


@pytest.fixture
def rings(app_settings: Settings) -> Iterator[SimpleQueue[float]]:
    """When the listener rang."""
    heard: SimpleQueue[float] = SimpleQueue()
    listener = NotificationListener(
        ring=lambda: heard.put(time.monotonic()), connect=connect_directly, quiet_seconds=0.05, first_pause_seconds=0.05
    )
    listener.start()
    heard.get(timeout=10)  # it listens
    yield heard
    listener.stop()
    listener.join(10)


def test_without_beat_an_email_queued_by_sql_leaves_at_its_commit_or_is_told_to_a_person(
    mail_server: SimulatorClient, shop: Shop, procfile_process: ProcfileProcessFactory
) -> None:
    shop.execute(QUEUE, (3,))  # while nobody listens
    procfile_process("worker")
    eventually(lambda: len(mail_server.emails()) == 3, LONGEST_SECONDS)
    shop.execute(QUEUE, (1,))
    eventually(lambda: len(mail_server.emails()) == 4, LONGEST_SECONDS)
    with shop.transaction():
        shop.execute(QUEUE, (20,))
        eventually(lambda: queue_length("sweeps") == 0)
        assert len(mail_server.emails()) == 4
    eventually(lambda: len(mail_server.emails()) == 24, LONGEST_SECONDS)

    shop.execute("SELECT queue_notification('welcom', 'a@example.com'), queue_notification('magic_link', 'a@example.com')")
    shop.execute("SET redrive.role = 'admin'")
    found = "SELECT array_agg(reason ORDER BY reason) AS reasons FROM failed_operations"
    eventually(lambda: shop.execute(found).fetchall() == [{"reasons": ["invalid_payload", "unknown_kind"]}], LONGEST_SECONDS)


def test_what_is_scheduled_leaves_at_its_time_and_what_is_cancelled_never(
    mail_server: SimulatorClient, shop: Shop, procfile_process: ProcfileProcessFactory
) -> None:
    query = (
        "SELECT queue_notification('welcome', %s, p_send_at := now() + interval '3 seconds') AS id,"
        " extract(epoch FROM now())::float8 + 3 AS at"
    )
    cancelled, later = (shop.execute(query, (to,)).fetchone() for to in ("cancelled@example.com", "later@example.com"))
    assert cancelled is not None
    assert later is not None
    assert shop.execute("SELECT cancel_notification(%s) AS done", (cancelled["id"],)).fetchall() == [{"done": True}]
    publish([Message("tasks.send_welcome_email", (str(cancelled["id"]),), "emails")])  # a message that is late, or doubled
    procfile_process("worker")
    procfile_process("beat", {"SWEEP_SECONDS": "0.5"})
    eventually(mail_server.emails, 20)
    [mail] = mail_server.emails()
    assert mail.to == ["later@example.com"]
    assert mail.accepted_at >= later["at"] - 0.5
    eventually(lambda: queue_length("emails") == 0)
    assert [mail.to for mail in mail_server.emails()] == [["later@example.com"]]


def test_a_thousand_notifications_ask_for_a_few_sweeps(rings: SimpleQueue[float], shop: Shop) -> None:
    shop.execute("DO $$ BEGIN FOR n IN 1..300 LOOP PERFORM queue_notification('welcome', 'a@example.com'); COMMIT; END LOOP; END $$")
    times = [rings.get(timeout=10)]
    while True:
        try:
            times.append(rings.get(timeout=0.5))
        except Empty:
            break
    assert len(times) <= 2 + (times[-1] - times[0]) / 0.05


def test_only_emails_that_are_due_and_that_nobody_publishes_are_told(rings: SimpleQueue[float], shop: Shop) -> None:
    shop.execute("SELECT queue_notification('welcome', 'a@example.com', p_send_at := now() + interval '1 hour')")
    shop.execute("SELECT queue_notification('welcome', 'a@example.com', p_publish_grace := '10 seconds')")
    with pytest.raises(Empty):
        rings.get(timeout=0.5)


def test_it_listens_again_after_the_database_was_away(rings: SimpleQueue[float], postgres_server: Postgres, app_settings: Settings) -> None:
    postgres_server.stop()
    postgres_server.start()
    rings.get(timeout=10)  # after the reconnect
    with psycopg.connect(app_settings.postgres_dsn, autocommit=True) as connection:
        connection.execute(QUEUE, (1,))
    rings.get(timeout=10)


def test_one_waiting_sweep_is_enough_and_redis_away_is_no_trouble(app_settings: Settings, redis_url: str, redis_server: Any) -> None:
    ring = SweepRinger()
    for _ in range(5):
        ring()
    assert queue_length("sweeps") == 1
    redis_server.stop()
    ring()
