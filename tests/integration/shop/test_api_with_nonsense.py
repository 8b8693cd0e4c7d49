"""Whatever JSON arrives, ``POST /api/purchases`` answers it and never breaks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api import purchases
from api.checkout import Checkout

NONSENSE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
ITEM = {"name": "Handbook", "quantity": 1, "unit_amount_cents": 500}
SENSE: dict[str, st.SearchStrategy[Any]] = {
    "kind": st.sampled_from(["leads", "credits", "products"]),
    "email": st.just("ada@example.com") | st.emails(),
    "name": st.none() | st.just("Ada"),
    "currency": st.sampled_from(["usd", "eur", "jpy"]),
    "credits": st.integers(1, 2_000_000),
    "lead_ids": st.lists(st.uuids().map(str), max_size=3),
    "items": st.lists(st.just(ITEM) | st.fixed_dictionaries(dict.fromkeys(ITEM, NONSENSE)), max_size=3),
    "success_url": st.just("https://shop.example.com/"),
}
BODIES = st.fixed_dictionaries({}, optional={name: values | values | NONSENSE for name, values in SENSE.items()})


@pytest.fixture
def client(app_settings: object, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    """The API without Stripe, whose answers are not the point here."""
    monkeypatch.setattr(purchases, "open_checkout", lambda purchase, *_, **__: Checkout(f"cs_{purchase.id}", "https://pay.example.com"))
    app = Flask(__name__)
    app.register_blueprint(purchases.blueprint)
    return app.test_client()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(BODIES | NONSENSE, st.none() | st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=10))
def test_nonsense_is_answered_by_a_person_who_understood_it(client: FlaskClient, body: Any, key: str | None) -> None:
    headers = {"Authorization": "Bearer development-only-api-token"} | ({"Idempotency-Key": key} if key is not None else {})
    answer = client.post("/api/purchases", data=json.dumps(body), headers=headers)
    assert answer.status_code in {201, 409, 422}, answer.text
    assert ("id" in answer.get_json()) == (answer.status_code == 201)
