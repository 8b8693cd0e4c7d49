"""The ``Idempotency-Key`` header."""

from __future__ import annotations

from flask import request

from api.errors import not_valid

LONGEST_KEY = 255


def idempotency_key() -> str | None:
    """The request's key, or None without one; raises ``ApiError`` 422 for one that could not be remembered."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (0 < len(key.strip()) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        message = f"must be 1 to {LONGEST_KEY} printable ASCII characters"
        raise not_valid([{"field": "Idempotency-Key", "message": message}])
    return key
