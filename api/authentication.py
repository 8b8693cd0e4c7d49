"""Who may use the API: whoever shows ``API_TOKEN`` as a bearer token."""

from __future__ import annotations

import hmac

from flask import request

from api.errors import ApiError
from settings import get_settings, secrets_in


def require_token() -> None:
    """401 without a bearer token, 403 with a wrong one; several tokens are valid while one replaces another."""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not given.strip():
        raise ApiError(
            401,
            "token_missing",
            "Send the API token: Authorization: Bearer <API_TOKEN>.",
            headers={"WWW-Authenticate": 'Bearer realm="redrive"'},
        )
    # WSGI hands bytes over as Latin-1; all are compared, so that the time taken says nothing about which was close.
    matches = [hmac.compare_digest(given.strip().encode("latin-1", "replace"), known.encode()) for known in _tokens()]
    if not any(matches):
        raise ApiError(403, "token_wrong", "The API token is not the right one.")


def _tokens() -> list[str]:
    return secrets_in(get_settings().api_token)
