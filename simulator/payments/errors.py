"""Errors in Stripe's shape: ``{"error": {"type": …, "code": …, "message": …, "param": …}}``."""

from __future__ import annotations

import json

from aiohttp import web

from simulator.script import Action

STATUSES = {
    "api_error": 500,
    "authentication_error": 401,
    "card_error": 402,
    "idempotency_error": 400,
    "invalid_request_error": 400,
    "rate_limit_error": 429,
}


class StripeError(Exception):
    """An error answer of the simulated Stripe; its status follows from the type unless given."""

    def __init__(
        self,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        status: int | None = None,
    ) -> None:
        self.kind = kind
        self.status = status or STATUSES.get(kind, 500)
        self.content = {name: text for name, text in (("type", kind), ("code", code), ("message", message), ("param", param)) if text}
        super().__init__(message)

    def response(self) -> web.Response:
        return web.Response(status=self.status, body=json.dumps({"error": self.content}).encode(), content_type="application/json")


def missing(what: str, identity: str) -> StripeError:
    return StripeError(f"No such {what}: '{identity}'", code="resource_missing", param="id", status=404)


def scripted_refusal(action: Action) -> web.Response:
    """A scripted error, by the type or the name that the rule gives; ``rate_limit_exceeded`` reads as Stripe's own name for it."""
    kinds = {"application_error": "api_error", "rate_limit_exceeded": "rate_limit_error"}
    kind = kinds.get(action.error, action.error)
    message = action.message or "A rule of the simulator asked for this error."
    return StripeError(message, kind=kind, status=action.status).response()
