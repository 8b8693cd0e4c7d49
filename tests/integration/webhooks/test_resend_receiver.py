"""Promises of ``POST /webhooks/resend``, in this process, on a real database."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from settings import Settings, secrets_in
from simulator.signing import resend_headers

Row = dict[str, Any]
NOW = str(int(time.time()))
IN_THIS_PROCESS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def event(**changes: Any) -> bytes:
    return json.dumps({"type": "email.delivered", "created_at": "2026-11-01T00:00:00Z", "data": {"email_id": "re_1"}, **changes}).encode()


def post(client: FlaskClient, secrets: Settings, body: bytes, message_id: str = "msg_1", **changed: str) -> TestResponse:
    signed = body.decode("utf-8", "replace")
    headers = resend_headers(signed, secrets_in(secrets.resend_webhook_secret), message_id, time.time())
    return client.post("/webhooks/resend", data=body, headers=headers | {name.replace("_", "-"): text for name, text in changed.items()})


def test_an_accepted_event_is_stored_as_it_came(client: FlaskClient, app_settings: Settings, rows: Callable[[], list[Row]]) -> None:
    answer = post(client, app_settings, event())
    assert (answer.status_code, answer.json) == (200, {"received": True})
    [row] = rows()
    assert (row["provider"], row["provider_event_id"], row["event_type"]) == ("resend", "msg_1", "email.delivered")
    assert (row["body"], row["status"], row["livemode"]) == (event(), "pending", None)
    assert row["headers"]["Svix-Id"] == "msg_1"


def test_the_svix_id_tells_a_duplicate(client: FlaskClient, app_settings: Settings, rows: Callable[[], list[Row]]) -> None:
    assert [post(client, app_settings, event()).status_code for _ in range(3)] == [200, 200, 200]
    assert post(client, app_settings, event(), "msg_2").status_code == 200
    assert [row["duplicates"] for row in rows()] == [2, 0]


@pytest.mark.parametrize("body", [b"[]", b"null", b"{}", b"[" * 100_000, b'{"type": NaN}', event(data=[]), event(type=7), event(type="\0")])
def test_a_signed_body_that_is_no_event_is_answered_400(client: FlaskClient, app_settings: Settings, body: bytes) -> None:
    assert post(client, app_settings, body).status_code == 400


def test_a_body_over_a_megabyte_is_answered_413(client: FlaskClient, app_settings: Settings) -> None:
    assert post(client, app_settings, event(padding="x" * 1_000_000)).status_code == 413


def test_an_id_that_cannot_be_stored_is_answered_400(client: FlaskClient, app_settings: Settings) -> None:
    assert post(client, app_settings, event(), "m" * 300).status_code == 400


@IN_THIS_PROCESS
@given(
    body=st.binary(max_size=300) | st.builds(lambda value: json.dumps(value).encode(), st.recursive(st.text(), st.lists, max_leaves=5)),
    headers=st.dictionaries(
        st.sampled_from(["svix-id", "svix-timestamp", "svix-signature", "content-type", "transfer-encoding"]),
        st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=40)
        | st.just("v1,AAAA")
        | st.just(str(int(time.time()))),
    ),
)
def test_nothing_unsigned_is_taken_and_nothing_makes_it_fail(client: FlaskClient, body: bytes, headers: dict[str, str]) -> None:
    assert client.post("/webhooks/resend", data=body, headers=headers).status_code == 400


@IN_THIS_PROCESS
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["type", "data", "created_at", "email_id"]), inner),
        max_leaves=12,
    )
)
def test_whatever_is_signed_is_stored_or_refused(client: FlaskClient, app_settings: Settings, value: object) -> None:
    assert post(client, app_settings, json.dumps(value).encode()).status_code in {200, 400}
