"""Resend's signature (Standard Webhooks) over the raw body: every active secret, and one error for all that is wrong.

The headers ``svix-id``, ``svix-timestamp`` and ``svix-signature`` (``v1,<base64>``, several separated by blanks while a secret
rotates) cover ``<id>.<timestamp>.<body>``. The library signs; its own ``verify`` raises four kinds of errors for what a stranger can
send and reads a clock of its own, and the one in Resend's SDK ignores the version and takes an empty key.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks.webhooks import Webhook

from settings import standard_webhooks_key
from webhooks.stripe_signature import LONGEST_HEADER, TOLERANCE_SECONDS, SignatureError, fingerprint


def verify_resend(
    body: bytes, *, message_id: str | None, timestamp: str | None, signature: str | None, secrets: Sequence[str], now: float
) -> str:
    """Return the fingerprint of the secret that verifies; raises ``SignatureError``."""
    if not message_id or not timestamp or not signature:
        raise SignatureError("a svix-id, svix-timestamp or svix-signature header is missing")
    signed_at = _moment(timestamp, now=now)
    given = _signatures(signature)
    content = _text(body)
    for secret in secrets:
        expected = Webhook(standard_webhooks_key(secret)).sign(_plain(message_id), signed_at, content).encode()
        if any(hmac.compare_digest(expected, each) for each in given):
            return fingerprint(secret)
    raise SignatureError("no signature matches; is RESEND_WEBHOOK_SECRET the secret of this endpoint?")


def _moment(timestamp: str, *, now: float) -> datetime:
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > len("9999999999999"):
        raise SignatureError("the svix-timestamp header is malformed")
    if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        raise SignatureError(f"the timestamp is more than {TOLERANCE_SECONDS} seconds away from this server's clock")
    return datetime.fromtimestamp(int(timestamp), UTC)


def _signatures(header: str) -> list[bytes]:
    found = [part.encode() for part in _plain(header).split(" ") if part.startswith("v1,")]
    if not found:
        raise SignatureError("the svix-signature header is malformed")
    return found


def _plain(header: str) -> str:
    if len(header) > LONGEST_HEADER or not header.isascii():
        raise SignatureError("a svix header is malformed")
    return header


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise SignatureError("the body is not UTF-8") from None
