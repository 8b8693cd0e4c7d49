"""What tests may ask of the Resend side: script it, and read what it accepted and was asked."""

from __future__ import annotations

from aiohttp import web

from simulator.courier import Courier
from simulator.json_requests import json_object, number, refuse, reply
from simulator.mail.api import ResendApi
from simulator.mail.notices import Notices, UnknownEmailError
from simulator.script import NOTICE_TYPES, changed

MAX_PAGE = 5000


class ResendControl:
    """Routes under ``/control/resend``."""

    def __init__(self, api: ResendApi, notices: Notices, courier: Courier) -> None:
        self._api = api
        self._notices = notices
        self._courier = courier

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/control/resend/script", self._script),
            web.post("/control/resend/script", self._set_script),
            web.get("/control/resend/emails", self._emails),
            web.get("/control/resend/requests", self._requests),
            web.get("/control/resend/summary", self._summary),
            web.get("/control/resend/events", self._events),
            web.post("/control/resend/events", self._send_event),
        ]

    async def _script(self, _request: web.Request) -> web.Response:
        return reply(self._api.script.model_dump() | {"fired": self._api.faults.fired()})

    async def _set_script(self, request: web.Request) -> web.Response:
        wanted = await json_object(request)
        script = changed(self._api.script, wanted)
        self._api.apply(script, rearm="rules" in wanted)
        self._notices.automatic = script.automatic_events
        if "delivery" in wanted:
            self._courier.apply(script.delivery)
        return await self._script(request)

    async def _emails(self, request: web.Request) -> web.Response:
        limit = min(number(request, "limit", MAX_PAGE), MAX_PAGE)
        query = request.query
        bodies, after = query.get("bodies") != "0", number(request, "after", 0)
        mails = self._api.mailbox.page(after=after, limit=limit, to=query.get("to"), key=query.get("key"), bodies=bodies)
        return reply({"emails": mails, "next_after": mails[-1]["seq"] if len(mails) == limit else None})

    async def _requests(self, request: web.Request) -> web.Response:
        return reply(self._api.log.shown(limit=number(request, "limit", 1000)))

    async def _summary(self, _request: web.Request) -> web.Response:
        return reply(self._api.mailbox.summary() | {"requests": self._api.log.shown(limit=0)["total"]})

    async def _events(self, request: web.Request) -> web.Response:
        limit = min(number(request, "limit", MAX_PAGE), MAX_PAGE)
        events = self._courier.log.page(after=number(request, "after", 0), limit=limit)
        return reply({"events": events, "next_after": events[-1]["seq"] if len(events) == limit else None})

    async def _send_event(self, request: web.Request) -> web.Response:
        wanted = await json_object(request)
        if wanted.get("type") not in NOTICE_TYPES:
            return refuse(f"A notice is one of {', '.join(NOTICE_TYPES)}.")
        try:
            message_id = self._notices.send(str(wanted.get("email_id")), wanted["type"], wanted.get("details"))
        except UnknownEmailError as error:
            return refuse(str(error), 404)
        return reply({"id": message_id})
