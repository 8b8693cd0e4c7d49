"""Promises of ``POST /webhooks/stripe``, in this process, on a real database."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
import redis
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from settings import Settings, secrets_in
from simulator.signing import stripe_signature
from tests.eventually import eventually

Row = dict[str, Any]


def event(event_id: str = "evt_1", **changes: Any) -> bytes:
    return json.dumps({"id": event_id, "object": "event", "type": "some.type", "livemode": False, **changes}).encode()


def post(client: FlaskClient, settings: Settings, body: bytes, *, secret: int = 0) -> TestResponse:
    signature = stripe_signature(body, secrets_in(settings.stripe_webhook_secret)[secret], time.time())
    return client.post("/webhooks/stripe", data=body, headers={"Stripe-Signature": signature})


def test_an_accepted_event_is_stored_as_it_came(client: FlaskClient, app_settings: Settings, rows: Callable[[], list[Row]]) -> None:
    body = event(api_version="2026-10-28.endive")
    answer = post(client, app_settings, body)
    assert (answer.status_code, answer.json) == (200, {"received": True})
    (row,) = rows()
    assert row["body"] == body
    assert (row["status"], row["livemode"], row["api_version"]) == ("pending", False, "2026-10-28.endive")


def test_an_accepted_event_rings_the_doorbell_after_the_commit(client: FlaskClient, app_settings: Settings, redis_url: str) -> None:
    post(client, app_settings, event())
    with redis.Redis.from_url(redis_url) as broker:
        assert eventually(lambda: broker.llen("webhooks") == 1)


def test_a_duplicate_is_counted_and_drives_unfinished_work_on(
    client: FlaskClient, app_settings: Settings, rows: Callable[[], list[Row]], redis_url: str
) -> None:
    answers = [post(client, app_settings, event()).status_code for _ in range(3)]
    assert answers == [200, 200, 200]
    (row,) = rows()
    assert row["duplicates"] == 2
    with redis.Redis.from_url(redis_url) as broker:
        assert eventually(lambda: broker.llen("webhooks") == 3)


def test_a_duplicate_of_finished_work_rings_no_more(client: FlaskClient, app_settings: Settings, database_url: str, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as broker, psycopg.connect(database_url, autocommit=True) as connection:
        post(client, app_settings, event())
        eventually(lambda: broker.llen("webhooks") == 1)
        connection.execute("UPDATE webhook_events SET status = 'processed'")
        assert post(client, app_settings, event()).status_code == 200
        post(client, app_settings, event("evt_2"))  # rings after the duplicate would have
        eventually(lambda: broker.llen("webhooks") >= 2)
        assert broker.llen("webhooks") == 2


def test_a_refused_event_is_not_stored(client: FlaskClient, rows: Callable[[], list[Row]]) -> None:
    answer = client.post("/webhooks/stripe", data=event(), headers={"Stripe-Signature": "t=1,v1=00"})
    assert answer.status_code == 400
    assert rows() == []


@pytest.mark.parametrize("body", [b"[]", b"null", b"{}", b"[" * 100_000, b'{"id": NaN}', b"\xff"])
def test_a_signed_body_that_is_no_event_is_answered_400(client: FlaskClient, app_settings: Settings, body: bytes) -> None:
    assert post(client, app_settings, body).status_code == 400


def test_a_body_over_a_megabyte_is_answered_413(client: FlaskClient, app_settings: Settings) -> None:
    assert post(client, app_settings, event(padding="x" * 1_000_000)).status_code == 413


def test_a_form_content_type_does_not_hide_the_body(client: FlaskClient, app_settings: Settings) -> None:
    signature = stripe_signature(event(), secrets_in(app_settings.stripe_webhook_secret)[0], time.time())
    headers = {"Stripe-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
    assert client.post("/webhooks/stripe", data=event(), headers=headers).status_code == 200
