"""Every error the Resend API answers with, by name; each has one status and one sentence."""

from __future__ import annotations

import json

from aiohttp import web

ERRORS: dict[str, tuple[int, str]] = {
    "invalid_idempotency_key": (400, "An idempotency key has 1 to 256 characters."),
    "validation_error": (422, "A field of the request is not valid."),
    "missing_api_key": (401, "The Authorization header holds no API key."),
    "restricted_api_key": (401, "This API key may only send emails."),
    "invalid_api_key": (403, "The API key is not valid."),
    "not_found": (404, "There is nothing at this address."),
    "method_not_allowed": (405, "This address does not take this method."),
    "invalid_idempotent_request": (409, "This idempotency key was used before with another body."),
    "concurrent_idempotent_requests": (409, "A request with this idempotency key is still being worked on."),
    "invalid_attachment": (422, "An attachment needs content or a path."),
    "invalid_from_address": (422, "The from field is not an address such as shop@example.com or Shop <shop@example.com>."),
    "invalid_parameter": (422, "The id is not a UUID."),
    "missing_required_field": (422, "A required field is missing."),
    "daily_quota_exceeded": (429, "The daily quota of emails is used up."),
    "monthly_quota_exceeded": (429, "The monthly quota of emails is used up."),
    "rate_limit_exceeded": (429, "Too many requests: slow down to the limit that the ratelimit headers name."),
    "security_error": (451, "This email was held back by a security check."),
    "application_error": (500, "An unexpected error occurred."),
    "internal_server_error": (500, "An unexpected error occurred."),
}


class ApiError(Exception):
    """An error answer in Resend's shape: ``{"statusCode": …, "name": …, "message": …}``."""

    def __init__(self, name: str, message: str | None = None, *, status: int | None = None, headers: dict[str, str] | None = None) -> None:
        known_status, known_message = ERRORS.get(name, (500, name))
        self.name = name
        self.status = status or known_status
        self.message = message or known_message
        self.headers = headers or {}
        super().__init__(f"{self.status} {name}: {self.message}")

    def response(self) -> web.Response:
        body = json.dumps({"statusCode": self.status, "name": self.name, "message": self.message}).encode()
        return web.Response(status=self.status, body=body, content_type="application/json", headers=self.headers)
