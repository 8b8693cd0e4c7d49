"""The description of the API is valid OpenAPI 3.1, complete, and true of what the API answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import validate
from werkzeug.test import TestResponse

from api.openapi import describe
from settings import Settings
from tests.fixtures.wsgi import fresh_wsgi_app
from tests.notifications_api import WELCOME, NotificationsApi
from tests.shop_api import HEADERS

Description = dict[str, Any]


@pytest.fixture
def app(app_settings: Settings) -> Iterator[Flask]:
    with fresh_wsgi_app() as app:
        yield app


@pytest.fixture
def description(app: Flask) -> Description:
    return describe(app)


@pytest.fixture
def api(app: Flask) -> NotificationsApi:
    return NotificationsApi(app.test_client())


def test_the_description_is_served_without_a_token_and_valid(app: Flask, description: Description) -> None:
    served = app.test_client().get("/api/openapi.json")
    assert served.status_code == 200
    assert served.get_json() == description
    validate(description)


def test_every_route_under_api_is_described_with_words_and_the_models_of_its_answers(app: Flask, description: Description) -> None:
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/api/"):
            path = rule.rule.replace("<", "{").replace(">", "}")
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                operation = description["paths"][path][method.lower()]
                assert operation["description"], f"{method} {path} has no docstring"
                answers = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
                documented = rule.endpoint == "openapi.description" or any("content" in answer for answer in answers)
                assert documented or "export" in path, f"{method} {path} does not say what it answers: @documented(Operation(...))"


def test_every_example_is_taken(description: Description, api: NotificationsApi) -> None:
    content = description["paths"]["/api/notifications"]["post"]["requestBody"]["content"]["application/json"]
    assert len(content["examples"]) >= 7
    for name, example in content["examples"].items():
        assert conforms(description, content["schema"], example["value"])
        assert api.queue(example["value"]).status_code == 202, name


def test_the_answers_are_as_described(description: Description, api: NotificationsApi) -> None:
    made = api.queue(key="welcome/7")
    paths = description["paths"]
    notification_id = made.get_json()["id"]
    queueing = paths["/api/notifications"]["post"]
    for answer in (
        made,
        api.queue(key="welcome/7"),
        api.queue(WELCOME | {"to": "x"}),
        api.queue(WELCOME | {"to": "b@example.com"}, key="welcome/7"),
    ):
        assert_described(description, queueing, answer)
    assert_described(description, queueing, api.client.post("/api/notifications"))
    assert_described(description, queueing, api.client.post("/api/notifications", headers={"Authorization": "Bearer x"}))
    assert_described(description, paths["/api/notifications/{notification_id}"]["get"], api.get(notification_id))
    assert_described(description, paths["/api/notifications/{notification_id}"]["get"], api.get(uuid4()))
    assert_described(description, paths["/api/notifications/{notification_id}/cancel"]["post"], api.cancel(notification_id))
    buying = paths["/api/purchases"]["post"]
    assert_described(description, buying, api.client.post("/api/purchases", json={"kind": "gold"}, headers=HEADERS))


def assert_described(description: Description, operation: Description, answer: TestResponse) -> None:
    described = operation["responses"][str(answer.status_code)]
    assert conforms(description, described["content"]["application/json"]["schema"], answer.get_json())


def conforms(description: Description, schema: Description, value: object) -> bool:
    whole = {**schema, "components": description["components"]}
    Draft202012Validator(whole, format_checker=FormatChecker()).validate(value)
    return True
