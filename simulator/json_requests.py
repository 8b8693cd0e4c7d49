"""Reading and answering JSON on the control routes."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web
from pydantic import ValidationError


def reply(content: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=json.dumps(content, default=str).encode(), content_type="application/json")


def refuse(sentence: str, status: int = 422) -> web.Response:
    return reply({"error": sentence}, status)


async def json_object(request: web.Request) -> dict[str, Any]:
    """The request's JSON object; the content type is demanded, since a page of another site cannot send it unasked."""
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="A control request is JSON: send it with Content-Type application/json.")
    try:
        content = await request.json()
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise web.HTTPBadRequest(text="A control request is a JSON object.")
    return content


def number(request: web.Request, name: str, default: int) -> int:
    try:
        return int(request.query.get(name, default))
    except ValueError:
        raise web.HTTPBadRequest(text=f"{name} is a whole number.") from None


@web.middleware
async def explain_invalid_scripts(request: web.Request, handler: Any) -> web.StreamResponse:
    """A script that does not validate is answered with what is wrong in it."""
    try:
        response: web.StreamResponse = await handler(request)
    except ValidationError as error:
        lines = [f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors(include_url=False)]
        return refuse("; ".join(lines))
    return response
