"""The hosted checkout page: the buyer pays, pays later, is declined or lets it expire."""

from __future__ import annotations

from aiohttp import web

from simulator.pages.rendering import from_this_page, page
from simulator.payments.api import StripeApi
from simulator.payments.errors import StripeError
from simulator.script import BUYER_ACTIONS


class CheckoutPages:
    """``/stripe/checkout/{session}``: the ``url`` of a session."""

    def __init__(self, api: StripeApi) -> None:
        self._api = api

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/stripe/checkout/{id}", self._show), web.post("/stripe/checkout/{id}/{action}", self._act)]

    async def _show(self, request: web.Request) -> web.Response:
        identity = request.match_info["id"]
        session = self._api.ledger.find("checkout.session", identity)
        if session is None:
            return page("not_found.html", 404, what="checkout session", active="")
        items = self._api.ledger.line_items(identity)
        declined = "declined" in request.query
        return page("checkout.html", session=session, items=items, declined=declined, back=_back(session), active="")

    async def _act(self, request: web.Request) -> web.Response:
        from_this_page(request)
        identity = request.match_info["id"]
        action = next((known for known in BUYER_ACTIONS if known == request.match_info["action"]), None)
        if action is None:
            raise web.HTTPNotFound(text="A buyer cannot do that.")
        try:
            self._api.events.tell(self._api.till.act(identity, action))
        except StripeError:
            raise web.HTTPSeeOther(f"/stripe/checkout/{identity}") from None  # somebody was faster: show what became of it
        session = self._api.ledger.get("checkout.session", identity)
        if action in {"pay", "pay_later"} and session["success_url"]:
            raise web.HTTPSeeOther(session["success_url"].replace("{CHECKOUT_SESSION_ID}", identity))
        raise web.HTTPSeeOther(f"/stripe/checkout/{identity}{'?declined' if action == 'decline' else ''}")


def _back(session: dict[str, str | None]) -> str | None:
    """The shop's own page to return to; only a web address, since it stands in a link."""
    url = session["cancel_url"] or ""
    return url if url.startswith(("http://", "https://")) else None
