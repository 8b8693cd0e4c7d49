"""The webhook routes: verify, store, answer."""

from __future__ import annotations

import time
from functools import cache
from uuid import UUID

import structlog
from flask import Blueprint, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from models.connection import connect_directly
from models.webhook_inbox import IncomingEvent, NotAnEventError, StoredEvent, unfinished
from settings import get_settings, secrets_in
from tasks.envelope import encode
from tasks.publishing import publish
from tasks.webhook_messages import message_for
from webhooks.inbox import Inbox, InboxUnavailableError
from webhooks.resend_signature import verify_resend
from webhooks.stripe_signature import SignatureError, verify_stripe

log = structlog.get_logger()

LARGEST_BODY = 1_000_000  # bytes; the largest event seen is 30 kB
RETRY_AFTER_SECONDS = 30
KEPT_HEADERS = {  # the names of WSGI and HTTP
    "HTTP_STRIPE_SIGNATURE": "Stripe-Signature",
    "HTTP_SVIX_ID": "Svix-Id",
    "HTTP_SVIX_TIMESTAMP": "Svix-Timestamp",
    "HTTP_SVIX_SIGNATURE": "Svix-Signature",
    "HTTP_USER_AGENT": "User-Agent",
    "CONTENT_TYPE": "Content-Type",
}

blueprint = Blueprint("webhooks", __name__, url_prefix="/webhooks")


@blueprint.post("/stripe")
def receive_stripe() -> Response:
    """Answer 200 once the event is stored, 400 for anything but a signed event, 413 if it is too large, 503 if it cannot be stored."""
    body = _body()
    try:
        verified_by = verify_stripe(body, request.headers.get("Stripe-Signature"), _stripe_secrets(), now=time.time())
        event = IncomingEvent.from_stripe(body, headers=_kept_headers(), verified_by=verified_by)
    except (SignatureError, NotAnEventError) as refusal:
        return _refuse("stripe", refusal)
    return _store(event)


@blueprint.post("/resend")
def receive_resend() -> Response:
    """The same answers as for Stripe; the event's id is the ``svix-id`` that the signature covers."""
    body, headers = _body(), request.headers
    try:
        verified_by = verify_resend(
            body,
            message_id=headers.get("svix-id"),
            timestamp=headers.get("svix-timestamp"),
            signature=headers.get("svix-signature"),
            secrets=_resend_secrets(),
            now=time.time(),
        )
        event = IncomingEvent.from_resend(body, event_id=headers["svix-id"], headers=_kept_headers(), verified_by=verified_by)
    except (SignatureError, NotAnEventError) as refusal:
        return _refuse("resend", refusal)
    return _store(event)


@blueprint.errorhandler(RequestEntityTooLarge)
def _too_large(_error: RequestEntityTooLarge) -> Response:
    return _answer(413, f'{{"error": "the body is larger than {LARGEST_BODY} bytes"}}')


def _body() -> bytes:
    request.max_content_length = LARGEST_BODY
    return request.get_data(cache=False)


def _refuse(provider: str, refusal: Exception) -> Response:
    log.info("webhook.refused", provider=provider, why=str(refusal))
    return _answer(400, f'{{"error": "{_plain(refusal)}"}}')


def _store(event: IncomingEvent) -> Response:
    try:
        _inbox().store(event)
    except InboxUnavailableError:
        response = _answer(503, '{"error": "the event cannot be stored now; send it again"}')
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response
    return _answer(200, '{"received": true}')


@cache
def _inbox() -> Inbox:
    return Inbox(connect_directly, _publish_stored, grace_seconds=get_settings().publish_grace_seconds)


@cache
def _stripe_secrets() -> list[str]:
    return secrets_in(get_settings().stripe_webhook_secret)


@cache
def _resend_secrets() -> list[str]:
    return secrets_in(get_settings().resend_webhook_secret)


def warm_up() -> None:
    """Connect, and load what the first events would have to wait for: right after a deployment many may come at once."""
    _inbox()
    encode(message_for("stripe", UUID(int=0)))


def forget() -> None:
    """Drop the settings and the connection of this process, for whoever changes the environment."""
    _inbox.cache_clear()
    _stripe_secrets.cache_clear()
    _resend_secrets.cache_clear()


def _publish_stored(stored: list[StoredEvent]) -> None:
    publish([message_for(event.provider, event.id) for event in unfinished(stored)])


def _kept_headers() -> dict[str, str]:
    environ = request.environ
    return {name: environ[key][:1000] for key, name in KEPT_HEADERS.items() if environ.get(key)}


def _answer(status: int, json_text: str) -> Response:
    return Response(json_text, status=status, mimetype="application/json")


def _plain(error: Exception) -> str:
    return str(error).replace('"', "'")
