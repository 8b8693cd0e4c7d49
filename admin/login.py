"""Who may look through the window: an operator's name and password, asked for by the browser itself."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from flask import Response, request
from flask.typing import ResponseReturnValue

from settings import get_settings, secrets_in

Arguments = ParamSpec("Arguments")


def operators_only(page: Callable[Arguments, ResponseReturnValue]) -> Callable[Arguments, ResponseReturnValue]:
    """Show the page only to somebody with a login of ``FLOWER_BASIC_AUTH`` (a decorator)."""

    @wraps(page)
    def guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> ResponseReturnValue:
        if not _known():
            return Response(
                "A login is needed.\n", 401, {"WWW-Authenticate": 'Basic realm="Redrive", charset="UTF-8"'}, mimetype="text/plain"
            )
        return page(*args, **kwargs)

    return guarded


def _known() -> bool:
    """Every login is compared, each in constant time, so that the answer's time tells nothing about any."""
    given = request.authorization
    if given is None or given.type != "basic":
        return False
    login = f"{given.username}:{given.password}".encode()
    matches = [hmac.compare_digest(login, known.encode()) for known in secrets_in(get_settings().flower_basic_auth)]
    return any(matches)
