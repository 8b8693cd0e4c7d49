"""The API as a shop's own backend calls it."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

HEADERS = {"Authorization": "Bearer development-only-api-token"}
HANDBOOK: dict[str, Any] = {
    "kind": "products",
    "email": "ada@example.com",
    "items": [{"name": "Handbook", "quantity": 2, "unit_amount_cents": 1_500}],
}


class Shop:
    """The API as a shop's own backend calls it."""

    def __init__(self, client: FlaskClient) -> None:
        self._client = client

    def buy(self, wanted: object, *, key: str | None = None, body: bytes | None = None) -> TestResponse:
        headers = HEADERS | ({"Idempotency-Key": key} if key is not None else {})
        given: dict[str, Any] = {"json": wanted} if body is None else {"data": body}
        return self._client.post("/api/purchases", headers=headers, **given)

    def get(self, path: str) -> TestResponse:
        return self._client.get(f"/api/purchases/{path}", headers=HEADERS)

    def post(self, path: str) -> TestResponse:
        return self._client.post(f"/api/purchases/{path}", headers=HEADERS)
