"""The part of the Stripe API that a shop with hosted checkout calls."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from secrets import token_hex
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from simulator.clock import Clock
from simulator.faults import Faults, spoil, wait
from simulator.idempotency import KeyInFlightError, KeyReusedError, KeyRing, fingerprint
from simulator.payments.errors import StripeError, missing, scripted_refusal
from simulator.payments.events import StripeEvents
from simulator.payments.form import nested, whole_number
from simulator.payments.ledger import Ledger
from simulator.payments.sessions import new_session
from simulator.payments.till import Till
from simulator.request_log import RequestLog
from simulator.script import StripeScript
from simulator.store import Store

Answer = Callable[[web.Request, dict[str, Any]], dict[str, Any]]


class StripeApi:
    """The simulated account behind ``/stripe/v1``."""

    def __init__(self, store: Store, clock: Clock, ledger: Ledger, till: Till, events: StripeEvents) -> None:
        self.ledger = ledger
        self.till = till
        self.events = events
        self.log = RequestLog()
        self.faults = Faults()
        self.script = StripeScript()
        self._clock = clock
        self._keys = KeyRing("stripe", store, clock.now)

    def apply(self, script: StripeScript, *, rearm: bool = True) -> None:
        """Behave as ``script`` says; without ``rearm`` the rules keep what they have counted."""
        if rearm:
            self.faults = Faults(script.rules)
        self.script = script

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/stripe/v1/checkout/sessions", self._post(self._create_session)),
            web.get("/stripe/v1/checkout/sessions/{id}", self._get(self._session)),
            web.get("/stripe/v1/checkout/sessions/{id}/line_items", self._get(self._line_items)),
            web.post("/stripe/v1/checkout/sessions/{id}/expire", self._post(self._expire)),
            web.post("/stripe/v1/refunds", self._post(self._create_refund)),
            web.get("/stripe/v1/refunds/{id}", self._get(self._object("refund"))),
            web.get("/stripe/v1/payment_intents/{id}", self._get(self._object("payment_intent"))),
            web.get("/stripe/v1/charges/{id}", self._get(self._object("charge"))),
            web.get("/stripe/v1/events", self._get(lambda _, params: self.events.page(params))),
            web.get("/stripe/v1/events/{id}", self._get(lambda request, _: self.events.get(request.match_info["id"]))),
            web.route("*", "/stripe/v1/{rest:.*}", self._get(_unknown_url)),
        ]

    def _get(self, answer: Answer) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def work(request: web.Request) -> web.Response:
            await wait(self.script.latency_ms)
            return _json(answer(request, nested(request.query.items())))

        return self._guarded(work)

    def _post(self, answer: Answer) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def work(request: web.Request) -> web.Response:
            body = await request.read()
            params = nested(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
            key = request.headers.get("Idempotency-Key")
            if not key:
                await wait(self.script.latency_ms)
                return _json(answer(request, params))
            try:
                with self._keys.hold(key):
                    await wait(self.script.latency_ms)
                    return self._once(request, key, body, lambda: answer(request, params))
            except KeyInFlightError:
                raise StripeError("A request with this idempotency key is in progress.", kind="idempotency_error", status=409) from None
            except KeyReusedError:
                raise StripeError("This idempotency key was used with other parameters.", kind="idempotency_error") from None

        return self._guarded(work)

    def _once(self, request: web.Request, key: str, body: bytes, answer: Callable[[], dict[str, Any]]) -> web.Response:
        same = fingerprint(request.path.encode(), body)
        content, replayed = self._keys.once(key, same, lambda: json.dumps(answer()).encode())
        response = web.Response(body=content, content_type="application/json")
        if replayed:
            request["outcome"] = "replayed"
            response.headers["Idempotent-Replayed"] = "true"
        return response

    def _guarded(self, work: Callable[[web.Request], Awaitable[web.Response]]) -> Callable[[web.Request], Awaitable[web.Response]]:
        """Keys, scripted faults, errors in Stripe's shape and the log, around every call."""

        async def handle(request: web.Request) -> web.Response:
            started = time.perf_counter()
            try:
                self._authorise(request)
                response = await self._with_faults(request, work)
            except StripeError as refusal:
                request["outcome"] = refusal.content.get("code", refusal.kind)
                response = refusal.response()
            response.headers["Request-Id"] = f"req_{token_hex(7)}"
            self.log.note(request, _path(request), response.status, started, self._clock.now())
            return response

        return handle

    async def _with_faults(self, request: web.Request, work: Callable[[web.Request], Awaitable[web.Response]]) -> web.Response:
        action = self.faults.action_for(request.method, _path(request))
        if action is None:
            return await work(request)
        name = action.error if action.kind == "error" else action.kind
        if action.taken:
            response = await work(request)
            request["outcome"] = f"{name} after taking"
            return await spoil(request, action, scripted_refusal) or response
        request["outcome"] = name
        return await spoil(request, action, scripted_refusal) or await work(request)

    def _authorise(self, request: web.Request) -> None:
        key = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        if not key:
            raise StripeError("No API key was given.", kind="authentication_error")
        if key in self.script.invalid_keys:
            raise StripeError("The API key is not valid.", kind="authentication_error", code="api_key_invalid")

    def _create_session(self, request: web.Request, params: dict[str, Any]) -> dict[str, Any]:
        livemode = "_live_" in request.headers.get("Authorization", "")
        base_url = f"{request.scheme}://{request.host}"
        new = new_session(params, created=int(self._clock.now()), seed=token_hex(16), base_url=base_url, livemode=livemode)
        return self.till.open(new)

    def _session(self, request: web.Request, params: dict[str, Any]) -> dict[str, Any]:
        session = self.ledger.get("checkout.session", request.match_info["id"])
        wanted = params.get("expand") or []
        if set(wanted) - {"line_items"}:
            raise StripeError("The simulator expands line_items only.", param="expand")
        return session | ({"line_items": self._line_items(request, {})} if wanted else {})

    def _line_items(self, request: web.Request, _params: dict[str, Any]) -> dict[str, Any]:
        identity = request.match_info["id"]
        items = self.ledger.line_items(identity)
        return {"object": "list", "data": items, "has_more": False, "url": f"/v1/checkout/sessions/{identity}/line_items"}

    def _expire(self, request: web.Request, _params: dict[str, Any]) -> dict[str, Any]:
        self.events.tell(self.till.act(request.match_info["id"], "expire"))
        return self.ledger.get("checkout.session", request.match_info["id"])

    def _create_refund(self, _request: web.Request, params: dict[str, Any]) -> dict[str, Any]:
        payment = params.get("payment_intent")
        if not payment and params.get("charge"):
            payment = self.ledger.get("charge", params["charge"])["payment_intent"]
        if not payment:
            raise StripeError("A refund needs a payment_intent or a charge.", code="parameter_missing", param="payment_intent")
        amount = whole_number(params["amount"], "amount") if "amount" in params else None
        given: dict[str, Any] = {name: value for name, value in params.items() if name in {"reason", "metadata"}}
        happenings = self.till.refund(payment, amount, token_hex(16), given)
        self.events.tell(happenings)
        return happenings[0].content

    def _object(self, kind: str) -> Answer:
        return lambda request, _: self.ledger.get(kind, request.match_info["id"])


def _path(request: web.Request) -> str:
    return request.path.removeprefix("/stripe")


def _unknown_url(request: web.Request, _params: dict[str, Any]) -> dict[str, Any]:
    raise missing("URL", f"{request.method} {request.path.removeprefix('/stripe')}")


def _json(content: dict[str, Any]) -> web.Response:
    return web.Response(body=json.dumps(content).encode(), content_type="application/json")
