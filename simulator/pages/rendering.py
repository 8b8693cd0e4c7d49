"""Templates, static files and the headers that keep a page from running anything but its own script."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from aiohttp import web
from babel.numbers import format_currency, get_currency_precision
from jinja2 import Environment, FileSystemLoader, StrictUndefined

HERE = Path(__file__).parent
POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; connect-src 'self'; frame-src 'self'; base-uri 'none'"
)

environment = Environment(
    loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


def money(amount: int, currency: str) -> str:
    """``money(2500, "usd")`` is ``$25.00``; currencies without cents have none."""
    units = Decimal(amount).scaleb(-get_currency_precision(currency.upper()))
    return format_currency(units, currency.upper(), locale="en_US")


def moment(at: float) -> str:
    """In UTC; the page's script turns it into the reader's local time."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


environment.filters["moment"] = moment
environment.globals["money"] = money


def page(template: str, status: int = 200, **values: Any) -> web.Response:
    text = environment.get_template(template).render(**values)
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store", "Referrer-Policy": "same-origin"}
    return web.Response(status=status, text=text, content_type="text/html", headers=headers)


def from_this_page(request: web.Request) -> None:
    """Refuse a form that a page of another site sent; a browser says where it comes from."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        raise web.HTTPForbidden(text="This form belongs to the simulator's own pages.")


def static_routes() -> list[web.RouteDef]:
    def serve(name: str, content_type: str) -> web.RouteDef:
        content = (HERE / "static" / name).read_bytes()

        async def answer(_request: web.Request) -> web.Response:
            return web.Response(body=content, content_type=content_type, headers={"Cache-Control": "no-cache"})

        return web.get(f"/static/{name}", answer)

    return [serve("simulator.css", "text/css"), serve("simulator.js", "text/javascript"), serve("icon.svg", "image/svg+xml")]
