"""The payments page: the sessions of the account, and every event with its deliveries."""

from __future__ import annotations

from secrets import token_hex

from aiohttp import web

from simulator.pages.rendering import from_this_page, page
from simulator.payments.api import StripeApi
from simulator.payments.errors import StripeError

SHOWN = 100


class PaymentPages:
    """``/payments``."""

    def __init__(self, api: StripeApi) -> None:
        self._api = api

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/payments", self._show),
            web.post("/payments/events/{id}/deliver", self._deliver),
            web.post("/payments/{payment_intent}/refund", self._refund),
        ]

    async def _show(self, _request: web.Request) -> web.Response:
        events = self._api.events.courier.log.newest(SHOWN)
        return page("payments.html", sessions=self._api.ledger.newest_sessions(SHOWN), events=events, active="payments")

    async def _deliver(self, request: web.Request) -> web.Response:
        from_this_page(request)
        if self._api.events.courier.log.find(request.match_info["id"]) is None:
            raise web.HTTPNotFound(text="There is no such event.")
        await self._api.events.courier.resend(request.match_info["id"])
        raise web.HTTPSeeOther("/payments#events")

    async def _refund(self, request: web.Request) -> web.Response:
        from_this_page(request)
        try:
            self._api.events.tell(self._api.till.refund(request.match_info["payment_intent"], None, token_hex(16), {}))
        except StripeError as refusal:
            return page("not_found.html", refusal.status, what=f"refund to make: {refusal}", active="payments")
        raise web.HTTPSeeOther("/payments")
