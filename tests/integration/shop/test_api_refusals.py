"""Who is let in to ``/api/purchases``, and what a request that is not valid is told."""

from __future__ import annotations

from uuid import uuid4

import pytest
from flask.testing import FlaskClient

from settings import get_settings
from tests.shop_api import HANDBOOK, Shop


@pytest.mark.parametrize(
    ("authorization", "status", "code"),
    [
        (None, 401, "token_missing"),
        ("Basic cmVkcml2ZQ==", 401, "token_missing"),
        ("Bearer ", 401, "token_missing"),
        ("Bearer wrong", 403, "token_wrong"),
        ("Bearer t\u00f6ken", 403, "token_wrong"),
    ],
)
def test_nobody_without_the_token_gets_in(client: FlaskClient, authorization: str | None, status: int, code: str) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    for answer in (client.post("/api/purchases", json=HANDBOOK, headers=headers), client.get(f"/api/purchases/{uuid4()}", headers=headers)):
        assert (answer.status_code, answer.get_json()["code"]) == (status, code)


def test_any_of_several_tokens_is_enough(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_TOKEN", "old-token, new-token")
    get_settings.cache_clear()
    for token, status in (("old-token", 404), ("new-token", 404), ("old-token, new-token", 403)):
        assert client.get(f"/api/purchases/{uuid4()}", headers={"Authorization": f"bearer {token}"}).status_code == status


def test_a_large_body_is_refused_unread(shop: Shop) -> None:
    answer = shop.buy(None, body=b" " * 70_000)
    assert (answer.status_code, answer.get_json()["code"]) == (413, "request_entity_too_large")


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "schl\u00fcssel"])
def test_a_key_that_is_no_key_is_refused(shop: Shop, key: str) -> None:
    assert shop.buy(HANDBOOK, key=key).get_json()["problems"][0]["field"] == "Idempotency-Key"
