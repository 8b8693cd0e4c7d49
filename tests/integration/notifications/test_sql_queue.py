"""The queue as SQL: what ``models/work.py`` promises holds for workers of any language, also beside Celery's."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, cast

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from psycopg.rows import dict_row

from models.connection import engine
from settings import Settings
from tests.integration.notifications.queue_machine import NotificationQueue

Connection = psycopg.Connection[dict[str, Any]]
MANY_STEPS = settings(max_examples=30, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)


def one(connection: Connection, query: str, *values: object) -> Any:
    row = connection.execute(query.encode(), values).fetchone()
    assert row is not None
    return next(iter(row.values()))


def queue(shop: Connection, key: str | None = None, kind: str = "welcome", to: str = "ada@example.com") -> Any:
    return one(shop, "SELECT queue_notification(%s, %s, p_dedupe_key := %s)", kind, to, key)


def claim(shop: Connection, limit: int = 10) -> list[dict[str, Any]]:
    return shop.execute("SELECT * FROM get_queued_notifications(%s, '45 seconds', 'shop')", (limit,)).fetchall()


def test_sql_and_python_workers_on_the_same_rows_keep_every_promise_of_work_rows(app_settings: Settings) -> None:
    machine = cast("type[RuleBasedStateMachine]", partial(NotificationQueue, engine()))
    run_state_machine_as_test(machine, settings=MANY_STEPS)


def test_many_claimers_at_once_share_the_rows_without_overlap(shop: Connection, app_settings: Settings) -> None:
    shop.execute("SELECT queue_notification('welcome', 'u' || n || '@example.com') FROM generate_series(1, 200) n")

    def claim_all() -> list[Any]:
        with psycopg.connect(app_settings.postgres_dsn, autocommit=True, row_factory=dict_row) as connection:
            found: list[Any] = []
            while rows := claim(connection, 7):
                found += [row["id"] for row in rows]
            return found

    with ThreadPoolExecutor(8) as pool:
        taken = Counter(row for rows in pool.map(lambda _: claim_all(), range(8)) for row in rows)
    assert len(taken) == 200
    assert set(taken.values()) == {1}


@pytest.mark.parametrize("attempt", [1, 2, 3, 4, 5])
def test_the_pause_doubles_and_its_jitter_has_a_floor_and_a_ceiling(shop: Connection, attempt: int) -> None:
    query = "SELECT extract(epoch FROM calculate_next_retry(%s) - now())::float8 FROM generate_series(1, 200)"
    pauses = [row["extract"] for row in shop.execute(query, (attempt,))]
    assert 2**attempt <= min(pauses)
    assert max(pauses) <= 2**attempt * 1.25
    assert max(pauses) - min(pauses) > 2**attempt * 0.1


def test_the_pause_has_a_cap_and_attempts_count_from_one(shop: Connection) -> None:
    far = one(shop, "SELECT extract(epoch FROM calculate_next_retry(100000) - now())::float8")
    assert 3600 <= far <= 3600 * 1.25
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="counts from 1"):
        shop.execute("SELECT calculate_next_retry(0)")


def test_a_claim_hands_out_all_that_sending_needs(shop: Connection) -> None:
    shop.execute("SELECT queue_notification('magic_link', 'ada@example.com', '{\"url\": \"https://shop.example/in\"}')")
    [row] = claim(shop)
    assert (row["notification_type"], row["recipient_email"]) == ("magic_link", "ada@example.com")
    assert row["payload"] == {"url": "https://shop.example/in"}
    assert (row["attempt"], row["crashes"]) == (1, 0)
    assert row["idempotency_key"] == f"redrive/{row['id']}/1"
    assert claim(shop) == []


def test_what_is_scheduled_is_not_handed_out_early_and_what_is_suppressed_never(shop: Connection) -> None:
    shop.execute("SELECT queue_notification('welcome', 'ada@example.com', p_send_at := now() + interval '1 hour')")
    shop.execute("INSERT INTO suppressions (email, reason) VALUES ('eve@example.com', 'bounced')")
    stopped = queue(shop, to="EVE@example.com")
    assert claim(shop) == []
    assert one(shop, "SELECT status FROM notifications WHERE id = %s", stopped) == "suppressed"
    assert one(shop, "SELECT array_agg(event ORDER BY occurred_at) FROM notification_event_logs WHERE notification_id = %s", stopped) == [
        "queued",
        "suppressed",
    ]


def test_what_the_provider_may_have_taken_a_day_ago_is_left_to_a_person(shop: Connection) -> None:
    queue(shop)
    [row] = claim(shop)
    shop.execute("SELECT update_notification_status(%s, %s, 'retry', p_retry_in := '0')", (row["id"], row["token"]))
    shop.execute("UPDATE notifications SET outcome_unknown_at = now() - interval '24 hours'")
    assert claim(shop) == []


def test_a_deferred_attempt_leaves_nothing_unknown_but_what_earlier_ones_did(shop: Connection) -> None:
    queue(shop)
    for ended, unknown in (("deferred", False), ("retry", True), ("deferred", True)):
        [row] = claim(shop)
        shop.execute("SELECT update_notification_status(%s, %s, %s, p_retry_in := '0')", (row["id"], row["token"], ended))
        assert one(shop, "SELECT outcome_unknown_at IS NOT NULL FROM notifications") == unknown


def test_a_stale_token_changes_nothing_and_rolls_back_what_was_written_with_it(shop: Connection, app_settings: Settings) -> None:
    queue(shop)
    [stale] = claim(shop)
    shop.execute("UPDATE notifications SET lease_expires_at = now()")
    [newest] = claim(shop)
    with psycopg.connect(app_settings.postgres_dsn) as connection:
        connection.execute("INSERT INTO suppressions (email, reason) VALUES ('x@example.com', 'test')")
        with pytest.raises(psycopg.Error) as raised:
            connection.execute("SELECT update_notification_status(%s, %s, 'sent', 're_1')", (stale["id"], stale["token"]))
    assert raised.value.sqlstate == "RD001"
    assert one(shop, "SELECT count(*) FROM suppressions") == 0
    assert one(shop, "SELECT update_notification_status(%s, %s, 'sent', 're_1')", newest["id"], newest["token"]) == "sent"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("update_notification_status(%(id)s, %(token)s, 'done')", "p_status is not one of"),
        ("update_notification_status(%(id)s, %(token)s, 'sent')", "what was sent has an id"),
        ("update_notification_status(%(id)s, %(token)s, NULL)", "p_status is not one of"),
    ],
)
def test_a_report_that_makes_no_sense_is_refused_and_the_claim_stays(shop: Connection, call: str, words: str) -> None:
    queue(shop)
    [row] = claim(shop)
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=words):
        shop.execute(f"SELECT {call}".encode(), row)
    assert one(shop, "SELECT status FROM notifications") == "running"


def test_a_failure_is_told_to_the_operators_although_the_connection_may_not_see_failed_operations(shop: Connection) -> None:
    failed = queue(shop)
    [row] = claim(shop)
    shop.execute(
        "SELECT update_notification_status(%s, %s, 'failed', p_error := 'Refused: ada@example.com is bad')", (failed, row["token"])
    )
    assert one(shop, "SELECT count(*) FROM failed_operations") == 0, "row-level security holds as before"
    shop.execute("SET redrive.role = 'admin'")
    [operation] = shop.execute("SELECT * FROM failed_operations").fetchall()
    assert (operation["operation_type"], operation["operation_id"], operation["reason"]) == ("email", failed, "permanent")
    assert operation["operation_name"] == "tasks.send_welcome_email"
    log = one(shop, "SELECT array_agg(detail ->> 'error') FROM notification_event_logs WHERE event IN ('attempted', 'dead')")
    assert log == ["Refused: (address) is bad"] * 2, "no address in the log"


def test_what_has_not_left_can_be_cancelled_and_nothing_else(shop: Connection) -> None:
    waiting, later = queue(shop), one(shop, "SELECT queue_notification('welcome', 'a@example.com', p_send_at := now() + interval '1 day')")
    assert one(shop, "SELECT cancel_notification(%s)", waiting) is True
    assert one(shop, "SELECT cancel_notification(%s)", waiting) is True, "a second time is no error"
    assert one(shop, "SELECT cancel_notification(%s)", later) is True
    assert claim(shop) == []
    sent = queue(shop)
    [row] = claim(shop)
    assert one(shop, "SELECT cancel_notification(%s)", sent) is False, "it may be leaving at this moment"
    shop.execute("SELECT update_notification_status(%s, %s, 'sent', 're_1')", (sent, row["token"]))
    assert one(shop, "SELECT cancel_notification(%s)", sent) is False
    assert one(shop, "SELECT cancel_notification(gen_random_uuid())") is None
