"""Stripe's signature over the raw body: every active secret, both sides of the tolerance, one error for all that is wrong.

The scheme (docs.stripe.com/webhooks#verify-manually): ``Stripe-Signature: t=<unix>,v1=<hex>[,v1=<hex>…]`` with an HMAC-SHA256 over
``<t>.<body>``. The SDK's own verifier takes one secret, accepts any future timestamp, and raises ``TypeError`` for a signature that
is not ASCII, which anybody can send.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

TOLERANCE_SECONDS = 300
LONGEST_HEADER = 4_096


class SignatureError(Exception):
    """The signature does not prove that the provider sent this body now; the message says why, never what was sent."""


def verify_stripe(body: bytes, header: str | None, secrets: Sequence[str], *, now: float) -> str:
    """Return the fingerprint of the secret that verifies; raises ``SignatureError``."""
    timestamp, signatures = _parse(header)
    if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        raise SignatureError(f"the timestamp is more than {TOLERANCE_SECONDS} seconds away from this server's clock")
    signed = b"%s.%s" % (timestamp, body)
    for secret in secrets:
        expected = hmac.digest(secret.encode(), signed, "sha256").hex().encode()
        if any(hmac.compare_digest(expected, signature) for signature in signatures):
            return fingerprint(secret)
    raise SignatureError("no signature matches; is STRIPE_WEBHOOK_SECRET the secret of this endpoint?")


def fingerprint(secret: str) -> str:
    """A short name for a secret that does not give it away, to tell which one verified while they rotate."""
    return hashlib.sha256(secret.encode()).hexdigest()[:8]


def _parse(header: str | None) -> tuple[bytes, list[bytes]]:
    if not header:
        raise SignatureError("the Stripe-Signature header is missing")
    if len(header) > LONGEST_HEADER or not header.isascii():
        raise SignatureError("the Stripe-Signature header is malformed")
    parts = [part.strip().partition("=") for part in header.split(",")]
    timestamps = [value for key, _, value in parts if key == "t"]
    signatures = [value.encode() for key, _, value in parts if key == "v1"]
    if len(timestamps) != 1 or not timestamps[0].isdigit() or len(timestamps[0]) > len("9999999999999") or not signatures:
        raise SignatureError("the Stripe-Signature header is malformed")
    return timestamps[0].encode(), signatures
