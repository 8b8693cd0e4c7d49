"""The ``Idempotency-Key`` header."""

from __future__ import annotations

from flask import request

from api.errors import not_valid
from api.openapi import Parameter

LONGEST_KEY = 255
KEY = Parameter(
    name="Idempotency-Key",
    place="header",
    description="Names the request: the same key with the same body does it once.",
    schema={"type": "string", "minLength": 1, "maxLength": LONGEST_KEY},
)


def idempotency_key() -> str | None:
    """The request's key, or None without one; raises ``ApiError`` 422 for one that could not be remembered."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (0 < len(key.strip()) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        message = f"must be 1 to {LONGEST_KEY} printable ASCII characters"
        raise not_valid([{"field": "Idempotency-Key", "message": message}])
    return key
