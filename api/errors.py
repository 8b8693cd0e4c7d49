"""Errors as JSON: a sentence for people, a code for programs, and for a body that is not valid every problem by its field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from flask import Blueprint, Flask, Response, jsonify
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import HTTPException

log = structlog.get_logger()

RETRY_AFTER_SECONDS = 5


class ApiError(Exception):
    """An answer other than success; ``message`` is one sentence, ``details`` is added to the JSON."""

    def __init__(self, status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None, **details: Any) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})
        self.details = details


def not_valid(problems: Sequence[Mapping[str, str]]) -> ApiError:
    """422, with ``{"field": …, "message": …}`` for each problem."""
    return ApiError(422, "not_valid", "The request is not valid.", problems=list(problems))


def try_again(code: str, message: str, *, seconds: int = RETRY_AFTER_SECONDS, **details: Any) -> ApiError:
    """503 with ``Retry-After``."""
    return ApiError(503, code, message, headers={"Retry-After": str(seconds)}, **details)


def speak_json(room: Blueprint | Flask) -> None:
    """Answer every error of this blueprint (or application) as JSON."""
    room.register_error_handler(ApiError, _answer)
    room.register_error_handler(HTTPException, _answer_http)
    room.register_error_handler(OperationalError, _answer_database_away)
    room.register_error_handler(PoolTimeoutError, _answer_database_away)


def _answer(error: ApiError) -> Response:
    response = jsonify(error=str(error), code=error.code, **error.details)
    response.status_code = error.status
    response.headers.update(error.headers)
    return response


def _answer_http(error: HTTPException) -> Response:
    """Werkzeug's own refusals (404, 405, 413, …), and 500 for whatever nobody caught."""
    response = jsonify(error=error.description or error.name, code=error.name.lower().replace(" ", "_"))
    response.status_code = error.code or 500
    response.headers.extend((name, value) for name, value in error.get_headers() if name != "Content-Type")
    return response


def _answer_database_away(error: Exception) -> Response:
    log.warning("api.database_away", error=type(error).__name__)
    return _answer(try_again("database_away", "The database does not answer now; ask again in some seconds."))
