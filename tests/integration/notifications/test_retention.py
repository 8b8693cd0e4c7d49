"""Personal data go after a setting and rows after another, in small batches; what still waits for a person stays whole."""

from __future__ import annotations

import itertools
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from models.retention import TABLES
from tasks.publishing import queue_length
from tasks.retention import remove_for, remove_old_data

Row = dict[str, Any]
Shop = psycopg.Connection[Row]
PLAN = "EXPLAIN (FORMAT TEXT) "


def notification(admin: Shop, days: int, status: str = "sent", to: str = "ada@example.com") -> Any:
    """One that ended ``days`` ago."""
    row = admin.execute(
        "INSERT INTO notifications (notification_type, recipient_email, payload, dedupe_key, fingerprint, status, created_at, finished_at,"
        " subject, html_body, text_body, last_error) VALUES ('welcome', %s, '{\"name\": \"Ada\"}', %s, 'f', %s,"
        " now() - make_interval(days => %s), now() - make_interval(days => %s), 'Hello Ada', '<p>Ada</p>', 'Ada', 'E: ada@example.com')"
        " RETURNING id",
        (to, f"key/{uuid4()}", status, days, days),
    ).fetchone()
    assert row is not None
    admin.execute("INSERT INTO notification_event_logs (notification_id, event) VALUES (%s, 'queued')", (row["id"],))
    return row["id"]


def event(admin: Shop, days: int, status: str = "processed") -> Any:
    row = admin.execute(
        "INSERT INTO webhook_events (provider, provider_event_id, event_type, body, headers, status, received_at, finished_at)"
        " VALUES ('stripe', %s, 'x', 'ada@example.com', '{\"User-Agent\": \"x\"}', %s,"
        " now() - make_interval(days => %s), now() - make_interval(days => %s)) RETURNING id",
        (str(uuid4()), status, days, days),
    ).fetchone()
    assert row is not None
    return row["id"]


def failure(admin: Shop, operation_type: str, operation_id: object, *, resolved_days: int | None) -> Any:
    row = admin.execute(
        "INSERT INTO failed_operations (operation_type, operation_id, operation_name, reason, event_data, error_type, error_message,"
        " error_stack, resolved_at, created_at) VALUES (%s, %s, 'tasks.x', 'permanent', '{\"to\": \"ada@example.com\"}', 'E', 'ada', 'ada',"
        " now() - make_interval(days => %s), now() - interval '500 days') RETURNING id",
        (operation_type, operation_id, resolved_days),
    ).fetchone()
    assert row is not None
    return row["id"]


def batch(admin: Shop, days: int) -> Any:
    row = admin.execute(
        "INSERT INTO email_batches (notification_ids, body, status, created_at, finished_at)"
        " VALUES ('{}', 'ada@example.com', 'sent', now() - make_interval(days => %s), now() - make_interval(days => %s)) RETURNING id",
        (days, days),
    ).fetchone()
    assert row is not None
    return row["id"]


def row_of(admin: Shop, table: str, row_id: object) -> Row | None:
    return admin.execute(f"SELECT * FROM {table} WHERE id = %s".encode(), (row_id,)).fetchone()


def remaining(admin: Shop, table: str, row_id: object) -> str:
    row = row_of(admin, table, row_id)
    return "deleted" if row is None else "erased" if row["erased_at"] else "whole"


def remove() -> dict[str, int]:
    removed, done = remove_for(seconds=60, batch=2)
    assert done
    return removed


def test_bodies_and_addresses_go_after_thirty_days_and_rows_after_four_hundred(admin: Shop) -> None:
    ages = {29: "whole", 31: "erased", 399: "erased", 401: "deleted"}
    notifications = {days: notification(admin, days) for days in ages}
    events = {days: event(admin, days) for days in ages}
    batches = {days: batch(admin, days) for days in ages}
    failures = {days: failure(admin, "job", uuid4(), resolved_days=days) for days in ages}
    removed = remove()
    for days, expected in ages.items():
        assert remaining(admin, "notifications", notifications[days]) == expected
        assert remaining(admin, "webhook_events", events[days]) == expected
        assert remaining(admin, "email_batches", batches[days]) == expected
        assert remaining(admin, "failed_operations", failures[days]) == expected
    assert removed["notifications_erased"] == 2
    assert removed["webhook_events_deleted"] == 1
    assert sum(remove().values()) == 0, "a second night has nothing to do"


def test_nothing_personal_is_left_in_an_erased_row(admin: Shop) -> None:
    for table, row_id in (
        ("notifications", notification(admin, 31)),
        ("webhook_events", event(admin, 31)),
        ("email_batches", batch(admin, 31)),
        ("failed_operations", failure(admin, "job", uuid4(), resolved_days=31)),
    ):
        remove()
        row = row_of(admin, table, row_id)
        assert row is not None
        assert "ada" not in " ".join(str(value) for value in row.values()).lower()


def test_what_happened_and_when_is_left(admin: Shop) -> None:
    notification_id = notification(admin, 31)
    remove()
    row = row_of(admin, "notifications", notification_id)
    assert row is not None
    assert (row["notification_type"], row["status"]) == ("welcome", "sent")
    assert admin.execute("SELECT count(*) AS n FROM notification_event_logs").fetchall() == [{"n": 1}]


def test_a_dedupe_key_still_queues_no_second_email_after_its_data_went(admin: Shop) -> None:
    notification_id = notification(admin, 31)
    remove()
    row = row_of(admin, "notifications", notification_id)
    assert row is not None
    again = admin.execute("SELECT queue_notification('welcome', 'ada@example.com', p_dedupe_key := %s) AS id", (row["dedupe_key"],))
    assert again.fetchall() == [{"id": notification_id}]


@pytest.mark.parametrize("days", [31, 401])
def test_what_waits_for_a_person_is_kept_whole_until_he_has_dealt_with_it(admin: Shop, days: int) -> None:
    waiting, event_waits = notification(admin, days, "failed"), event(admin, days, "failed")
    failures = [failure(admin, "email", waiting, resolved_days=None), failure(admin, "webhook", event_waits, resolved_days=None)]
    assert sum(remove().values()) == 0
    admin.execute("UPDATE failed_operations SET resolved_at = now() - interval '31 days'")
    remove()
    expected = "erased" if days == 31 else "deleted"
    assert [remaining(admin, "notifications", waiting), remaining(admin, "webhook_events", event_waits)] == [expected, expected]
    assert {remaining(admin, "failed_operations", each) for each in failures} == {"erased"}


def test_unfinished_work_is_never_touched(admin: Shop) -> None:
    admin.execute(
        "INSERT INTO notifications (notification_type, recipient_email, dedupe_key, fingerprint, created_at, send_at, next_attempt_at)"
        " VALUES ('welcome', 'ada@example.com', 'k', 'f', now() - interval '500 days', now() + interval '1 day', now() + interval '1 day')"
    )
    assert sum(remove().values()) == 0


def test_it_stops_when_its_time_is_over_and_goes_on_later(admin: Shop) -> None:
    for _ in range(5):
        notification(admin, 31)
    ticks = itertools.count()
    removed, done = remove_for(seconds=4, batch=1, clock=lambda: float(next(ticks)))
    assert not done
    assert 0 < removed["notifications_erased"] < 5
    assert remove()["notifications_erased"] == 5 - removed["notifications_erased"]


def test_the_nightly_task_asks_for_another_turn_while_there_is_more(admin: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    assert remove_old_data()["notifications_erased"] == 0
    assert queue_length("sweeps") == 0
    monkeypatch.setattr("tasks.retention.SECONDS_AT_ONCE", -1.0)
    remove_old_data()
    assert queue_length("sweeps") == 1


@pytest.mark.parametrize("kept", TABLES, ids=lambda kept: kept.table)
def test_finding_what_is_old_walks_along_an_index(admin: Shop, kept: Any) -> None:
    admin.execute("SET enable_seqscan = off; SET enable_sort = off")
    for found_by, condition in ((kept.over_at, f"AND {kept.over_at} IS NOT NULL AND erased_at IS NULL"), (kept.found_by, "")):
        query = f"SELECT id FROM {kept.table} t WHERE {found_by} < now() - interval '30 days' {condition} ORDER BY {found_by} LIMIT 500"
        plan = "\n".join(row["QUERY PLAN"] for row in admin.execute((PLAN + query).encode()))
        assert "Index Scan" in plan or kept.table == "failed_operations", plan
