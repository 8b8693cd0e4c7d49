"""``/api/notifications`` over WSGI, on a real database."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.eventually import eventually
from tests.mailing import attempt, claim, log_of, row_of
from tests.notifications_api import WELCOME, NotificationsApi

Shop = psycopg.Connection[dict[str, Any]]
LINK = {"url": "https://shop.example/in", "expires_in_minutes": 15}
OTHER_EMAILS: list[dict[str, Any]] = [
    {"to": "grace@example.com"},
    {"payload": {}},
    {"type": "magic_link", "payload": LINK},
    {"send_at": "2030-01-01T00:00:00Z"},
]
UNSTORABLE = ['"\\u0000"', '"\\ud800"', "1e999", "NaN", "9" * 5000, "[" * 150 + "]" * 150, '{"a":' * 120 + "1" + "}" * 120]
IN_THIS_PROCESS = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_a_queued_email_is_a_row_and_a_message(api: NotificationsApi, redis_url: str) -> None:
    answer = api.queue()
    assert answer.status_code == 202
    made = answer.get_json()
    assert (made["type"], made["to"], made["status"], made["attempts"]) == ("welcome", "ada@example.com", "pending", 0)
    assert [entry["event"] for entry in made["timeline"]] == ["queued"]
    assert answer.headers["Location"] == f"/api/notifications/{made['id']}"
    assert row_of(UUID(made["id"])).payload == {"name": "Ada"}
    with redis.Redis.from_url(redis_url) as broker:
        assert eventually(lambda: broker.llen("emails") == 1)


@pytest.mark.parametrize("place", ["body", "header", "both"])
def test_the_same_key_and_body_are_the_same_email(api: NotificationsApi, place: str) -> None:
    body = WELCOME | ({"dedupe_key": "welcome/7"} if place != "header" else {})
    key = "welcome/7" if place != "body" else None
    first, again = api.queue(body, key=key), api.queue(dict(reversed(body.items())), key=key)
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.get_json() == again.get_json()
    assert again.headers["Idempotent-Replayed"] == "true"


def test_the_same_key_for_another_email_is_refused_and_shows_nothing_of_the_first(api: NotificationsApi) -> None:
    api.queue(key="welcome/7")
    for change in OTHER_EMAILS:
        other = api.queue(WELCOME | change, key="welcome/7")
        assert (other.status_code, other.get_json()["code"]) == (409, "dedupe_key_reused")
        assert "ada" not in other.get_data(as_text=True)


def test_a_key_is_shared_by_all_three_ways_in(api: NotificationsApi, promise: Callable[..., UUID], shop: Shop) -> None:
    by_python = promise("welcome", {"name": "Ada"}, dedupe_key="welcome/7")
    assert api.queue(key="welcome/7").get_json()["id"] == str(by_python)
    query = "SELECT queue_notification('welcome', 'ada@example.com', '{\"name\": \"Ada\"}', 'welcome/7') AS id"
    row = shop.execute(query).fetchone()
    assert row is not None
    assert row["id"] == by_python


def test_without_a_key_every_request_is_another_email(api: NotificationsApi) -> None:
    assert api.queue().get_json()["id"] != api.queue().get_json()["id"]


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"type": "welcom"}, ["type"]),
        ({"type": 7, "to": "nobody", "payload": []}, ["type", "to", "payload"]),
        ({"to": "nobody", "payload": {"nmae": 1}, "extra": 1}, ["to", "extra", "payload.nmae"]),
        ({"type": "magic_link", "payload": {"url": "javascript:alert(1)"}}, ["payload.url", "payload.expires_in_minutes"]),
        ({"to": "a@example.com, b@example.com"}, ["to"]),
        ({"to": "a@example.com\r\nBcc: b@example.com"}, ["to"]),
        ({"dedupe_key": ""}, ["dedupe_key"]),
        ({"dedupe_key": "a\0"}, ["dedupe_key"]),
        ({"dedupe_key": "k" * 256}, ["dedupe_key"]),
        ({"send_at": "tomorrow"}, ["send_at"]),
        ({"send_at": "2030-01-01T00:00:00"}, ["send_at"]),
        ({"user_id": "7"}, ["user_id"]),
        ({"user_id": str(uuid4())}, ["body"]),
        ({"payload": {"name": "A\0da"}}, ["payload"]),
        ({"payload": {"name": float("nan")}}, ["payload.name"]),
    ],
)
def test_every_problem_is_named_by_its_field(api: NotificationsApi, change: dict[str, Any], fields: list[str]) -> None:
    answer = api.queue(WELCOME | change)
    refused = answer.get_json()
    assert (answer.status_code, refused["code"]) == (422, "not_valid")
    assert {problem["field"] for problem in refused["problems"]} == set(fields)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"type": "\\ud800"}', b"9" * 5000])
def test_what_is_no_request_at_all_is_refused_too(api: NotificationsApi, body: bytes) -> None:
    assert api.queue_bytes(body).status_code == 422


@pytest.mark.parametrize(
    "value", ['"\\u0000"', '"\\ud800"', "1e999", "NaN", "9" * 5000, "[" * 150 + "]" * 150, '{"a":' * 120 + "1" + "}" * 120]
)
def test_a_payload_that_no_database_can_hold_is_refused(api: NotificationsApi, value: str) -> None:
    assert api.queue_bytes(f'{{"type": "welcome", "to": "ada@example.com", "payload": {{"name": {value}}}}}'.encode()).status_code == 422


@IN_THIS_PROCESS
@given(
    change=st.dictionaries(
        st.sampled_from(["type", "to", "payload", "dedupe_key", "send_at", "user_id", "x"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["welcome", "purchase", "a@example.com"]),
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5) | st.just("name"), inner, max_size=4),
            max_leaves=10,
        ),
    )
)
def test_whatever_is_sent_is_queued_or_refused_with_its_problems(api: NotificationsApi, change: dict[str, Any]) -> None:
    answer = api.queue_bytes(json.dumps(WELCOME | change).encode())
    assert answer.status_code in {200, 202, 409, 422}
    assert answer.status_code != 422 or answer.get_json()["problems"]


def test_a_body_over_a_quarter_of_a_megabyte_is_too_large(api: NotificationsApi) -> None:
    assert api.queue(WELCOME | {"payload": {"name": "x" * 300_000}}).status_code == 413


@pytest.mark.parametrize(("header", "status"), [(None, 401), ("Basic x", 401), ("Bearer wrong", 403), ("Bearer \xff", 403)])
def test_the_token_is_needed_for_everything(api: NotificationsApi, header: str | None, status: int) -> None:
    headers = {"Authorization": header} if header else {}
    for method, path in (("post", ""), ("get", f"/{uuid4()}"), ("post", f"/{uuid4()}/cancel")):
        assert getattr(api.client, method)(f"/api/notifications{path}", headers=headers).status_code == status


def test_two_keys_that_differ_are_refused(api: NotificationsApi) -> None:
    assert api.queue(WELCOME | {"dedupe_key": "a"}, key="b").get_json()["problems"][0]["field"] == "Idempotency-Key"
    assert api.queue(key="k" * 256).status_code == 422


def test_the_timeline_tells_what_happened(api: NotificationsApi, promise: Callable[..., UUID]) -> None:
    notification_id = promise()
    attempt(notification_id)
    shown = api.get(notification_id).get_json()
    assert (shown["status"], shown["attempts"], shown["next_attempt_at"]) == ("sent", 1, None)
    assert [entry["event"] for entry in shown["timeline"]] == ["queued", "attempted", "sent"]
    assert shown["timeline"][1]["detail"] == {"outcome": "sent"}
    assert shown["timeline"][1]["duration_ms"] is not None


@pytest.mark.parametrize("path", ["nonsense", "00000000-0000-0000-0000-000000000000", "%00", "%F0%9F%92%A9"])
def test_an_unknown_notification_is_not_found(api: NotificationsApi, path: str) -> None:
    assert api.get(path).status_code == api.cancel(path).status_code == 404


def test_a_scheduled_email_waits_and_can_be_cancelled(api: NotificationsApi, redis_url: str) -> None:
    at = datetime.now(UTC) + timedelta(days=2)
    made = api.queue(WELCOME | {"send_at": at.isoformat()}).get_json()
    assert datetime.fromisoformat(made["next_attempt_at"]) == at
    with redis.Redis.from_url(redis_url) as broker:
        assert broker.llen("emails") == 0
    for _ in range(2):
        cancelled = api.cancel(made["id"])
        assert (cancelled.status_code, cancelled.get_json()["status"]) == (200, "cancelled")
    assert [(line.event, line.actor) for line in log_of(UUID(made["id"]))] == [("queued", None), ("cancelled", "api")]


def test_what_has_left_or_may_have_left_cannot_be_cancelled(api: NotificationsApi, promise: Callable[..., UUID]) -> None:
    sent, leaving = promise(), promise()
    attempt(sent)
    claim(leaving)
    for notification_id, status in ((sent, "sent"), (leaving, "running")):
        refused = api.cancel(notification_id)
        assert (refused.status_code, refused.get_json()["notification_status"]) == (409, status)


def test_the_database_away_is_a_503_with_retry_after(api: NotificationsApi, postgres_server: Any) -> None:
    api.queue()
    postgres_server.stop()
    answer = api.queue()
    assert (answer.status_code, answer.get_json()["code"]) == (503, "database_away")
    assert int(answer.headers["Retry-After"]) > 0


def test_redis_away_does_not_disturb(api: NotificationsApi, redis_server: Any) -> None:
    redis_server.stop()
    assert api.queue().status_code == 202
