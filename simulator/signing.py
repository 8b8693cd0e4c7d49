"""Webhook signatures as Stripe and Resend make them, good ones for deliveries and forged ones for tests."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal, get_args

from standardwebhooks.webhooks import Webhook

STRIPE_USER_AGENT = "Stripe/1.0 (+https://stripe.com/docs/webhooks)"
TOLERANCE_SECONDS = 300

Forgery = Literal["wrong_secret", "changed_body", "stale", "future", "only_v0", "no_timestamp", "garbled", "not_ascii", "empty", "missing"]
FORGERIES: tuple[Forgery, ...] = get_args(Forgery)


def stripe_signature(body: bytes, secrets: str | Sequence[str], at: float) -> str:
    """The ``Stripe-Signature`` header over ``body``: one ``v1`` part per secret, as Stripe sends while a secret is rotated."""
    keys = [secrets] if isinstance(secrets, str) else list(secrets)
    parts = [f"v1={_stripe_digest(body, key, int(at))}" for key in keys]
    return ",".join([f"t={int(at)}", *parts])


def stripe_headers(body: bytes, secrets: str | Sequence[str], at: float) -> dict[str, str]:
    """All headers of one delivery by Stripe."""
    return {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": STRIPE_USER_AGENT,
        "Stripe-Signature": stripe_signature(body, secrets, at),
    }


def forged_stripe_signature(kind: Forgery, body: bytes, secret: str, at: float) -> str | None:
    """A header that a receiver must refuse for the reason that ``kind`` names; None means that no header is sent."""
    good = stripe_signature(body, secret, at)
    forgeries: dict[Forgery, str | None] = {
        "wrong_secret": stripe_signature(body, f"{secret}x", at),
        "changed_body": stripe_signature(body + b" ", secret, at),
        "stale": stripe_signature(body, secret, at - TOLERANCE_SECONDS - 60),
        "future": stripe_signature(body, secret, at + TOLERANCE_SECONDS + 60),
        "only_v0": good.replace("v1=", "v0="),
        "no_timestamp": good.partition(",")[2],
        "garbled": "t=,v1,,=",
        "not_ascii": f"t={int(at)},v1=" + "é" * 64,
        "empty": "",
        "missing": None,
    }
    return forgeries[kind]


def resend_headers(body: str, secrets: str | Sequence[str], message_id: str, at: float) -> dict[str, str]:
    """The headers of one delivery by Resend; several secrets give several signatures, separated by blanks."""
    keys = [secrets] if isinstance(secrets, str) else list(secrets)
    moment = datetime.fromtimestamp(int(at), UTC)
    return {
        "Content-Type": "application/json",
        "User-Agent": "Svix-Webhooks/1.24",
        "svix-id": message_id,
        "svix-timestamp": str(int(at)),
        "svix-signature": " ".join(Webhook(key).sign(message_id, moment, body) for key in keys),
    }


def _stripe_digest(body: bytes, secret: str, at: int) -> str:
    """Stripe keys the HMAC with the secret as it is written, ``whsec_`` included."""
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
