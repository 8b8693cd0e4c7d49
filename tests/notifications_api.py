"""``/api/notifications`` as a shop's own backend calls it."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.shop_api import HEADERS

WELCOME: dict[str, Any] = {"type": "welcome", "to": "ada@example.com", "payload": {"name": "Ada"}}


class NotificationsApi:
    """One client with the token."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def queue(self, wanted: object = WELCOME, *, key: str | None = None) -> TestResponse:
        return self._post(json=wanted, **({"key": key} if key is not None else {}))

    def queue_bytes(self, body: bytes) -> TestResponse:
        return self._post(data=body)

    def get(self, notification_id: object) -> TestResponse:
        return self.client.get(f"/api/notifications/{notification_id}", headers=HEADERS)

    def cancel(self, notification_id: object) -> TestResponse:
        return self.client.post(f"/api/notifications/{notification_id}/cancel", headers=HEADERS)

    def _post(self, *, key: str | None = None, **body: Any) -> TestResponse:
        headers = HEADERS | ({"Idempotency-Key": key} if key is not None else {})
        return self.client.post("/api/notifications", headers=headers, **body)
