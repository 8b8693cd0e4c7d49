"""What tests may ask of the Stripe side: script it, act as the buyer, make events, read what was made and delivered."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from simulator.json_requests import json_object, number, refuse, reply
from simulator.payments.api import StripeApi
from simulator.payments.errors import StripeError
from simulator.payments.trigger import Triggers
from simulator.script import BUYER_ACTIONS, Trigger, changed

MAX_PAGE = 5000
FIRST_ATTEMPT_SECONDS = 15


class StripeControl:
    """Routes under ``/control/stripe``."""

    def __init__(self, api: StripeApi, triggers: Triggers) -> None:
        self._api = api
        self._triggers = triggers

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/control/stripe/script", self._script),
            web.post("/control/stripe/script", self._set_script),
            web.get("/control/stripe/requests", self._requests),
            web.get("/control/stripe/events", self._events),
            web.post("/control/stripe/events/{id}/deliver", self._deliver),
            web.post("/control/stripe/trigger", self._trigger),
            web.post("/control/stripe/sessions/{id}/{action}", self._act),
        ]

    async def _script(self, _request: web.Request) -> web.Response:
        return reply(self._api.script.model_dump() | {"fired": self._api.faults.fired()})

    async def _set_script(self, request: web.Request) -> web.Response:
        wanted = await json_object(request)
        script = changed(self._api.script, wanted)
        self._api.apply(script, rearm="rules" in wanted)
        if "delivery" in wanted:
            self._api.events.courier.apply(script.delivery)
        return await self._script(request)

    async def _requests(self, request: web.Request) -> web.Response:
        return reply(self._api.log.shown(limit=number(request, "limit", 1000)))

    async def _events(self, request: web.Request) -> web.Response:
        limit = min(number(request, "limit", MAX_PAGE), MAX_PAGE)
        events = self._api.events.courier.log.page(after=number(request, "after", 0), limit=limit)
        return reply({"events": events, "next_after": events[-1]["seq"] if len(events) == limit else None})

    async def _deliver(self, request: web.Request) -> web.Response:
        await json_object(request)
        event_id = request.match_info["id"]
        if self._api.events.courier.log.find(event_id) is None:
            return refuse(f"There is no event {event_id}.", 404)
        await self._api.events.courier.resend(event_id)
        return self._outcome([event_id])

    async def _trigger(self, request: web.Request) -> web.Response:
        trigger = Trigger.model_validate(await json_object(request))
        try:
            made = self._triggers.pull(trigger)
        except StripeError as refusal:
            return refuse(str(refusal), refusal.status)
        await self._api.events.first_attempts(made, FIRST_ATTEMPT_SECONDS)
        return self._outcome(made)

    async def _act(self, request: web.Request) -> web.Response:
        await json_object(request)
        action = next((known for known in BUYER_ACTIONS if known == request.match_info["action"]), None)
        if action is None:
            return refuse(f"A buyer can {', '.join(BUYER_ACTIONS)}.", 404)
        try:
            made = self._api.events.tell(self._api.till.act(request.match_info["id"], action))
        except StripeError as refusal:
            return refuse(str(refusal), refusal.status)
        await self._api.events.first_attempts(made, FIRST_ATTEMPT_SECONDS)
        return self._outcome(made)

    def _outcome(self, event_ids: Sequence[str]) -> web.Response:
        return reply({"events": [self._api.events.courier.log.find(event_id) for event_id in event_ids]})
