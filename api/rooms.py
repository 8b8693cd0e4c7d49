"""What every part of the API has in common: the token, a limit for the body, and errors as JSON."""

from __future__ import annotations

from flask import Blueprint, request

from api.authentication import require_token
from api.errors import speak_json


def api_room(name: str, import_name: str, *, url_prefix: str, largest_body: int) -> Blueprint:
    """A blueprint whose routes need the token and take at most so many bytes."""
    room = Blueprint(name, import_name, url_prefix=url_prefix)

    def limit_body() -> None:
        request.max_content_length = largest_body

    speak_json(room)
    room.before_request(require_token)
    room.before_request(limit_body)
    return room
