"""The Resend API as the SDK speaks it: send one mail, send a batch, read a mail back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from aiohttp import web

from simulator.clock import Clock, iso
from simulator.faults import Faults, spoil, wait
from simulator.idempotency import KeyInFlightError, KeyReusedError, KeyRing, fingerprint
from simulator.mail.errors import ApiError
from simulator.mail.limits import Quota, RequestLimit
from simulator.mail.mailbox import Arrival, Mailbox
from simulator.mail.validation import MAX_BATCH, check_mail, recipients_of
from simulator.request_log import RequestLog
from simulator.script import Action, ResendScript
from simulator.store import Store

MAX_KEY = 256


class ResendApi:
    """The simulated provider; ``apply`` changes how it behaves, ``on_accepted``, if set, is told the ids of new mails."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.mailbox = Mailbox(store)
        self.log = RequestLog()
        self.faults = Faults()
        self.script = ResendScript()
        self._clock = clock
        self._keys = KeyRing("resend", store, clock.now)
        self._limit = RequestLimit(time.monotonic)
        self._quota = Quota(clock.now)
        self.on_accepted: Callable[[list[str]], None] | None = None

    def apply(self, script: ResendScript, *, rearm: bool = True) -> None:
        """Behave as ``script`` says; without ``rearm`` the rules keep what they have counted."""
        if rearm:
            self.faults = Faults(script.rules)
        self.script = script
        self._limit.limit = script.rate_limit_per_second
        self._quota.daily, self._quota.monthly = script.daily_quota, script.monthly_quota
        self.mailbox.keep_bodies, self.mailbox.dedupe_header = script.keep_bodies, script.dedupe_header

    def forget(self) -> None:
        self.log.clear()
        self._limit.forget()
        self._quota.forget()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/resend/emails", self._logged(self._send)),
            web.post("/resend/emails/batch", self._logged(self._send)),
            web.get("/resend/emails", self._logged(self._list)),
            web.get("/resend/emails/{id}", self._logged(self._get)),
            web.route("*", "/resend/{rest:.*}", self._logged(self._nothing_here)),
        ]

    def _logged(self, handler: Callable[[web.Request], Any]) -> Callable[[web.Request], Any]:
        """Limits and keys come first, as with the real API; every answer carries the ratelimit headers and is logged."""

        async def handle(request: web.Request) -> web.Response:
            started, rate_headers = time.perf_counter(), {}
            try:
                rate_headers = self._limit.take()
                self._authorise(request)
                response: web.Response = await handler(request)
            except ApiError as error:
                request["outcome"] = request.get("outcome", error.name)
                response = error.response()
            response.headers.update(rate_headers)
            self.log.note(request, _path(request), response.status, started, self._clock.now())
            return response

        return handle

    def _authorise(self, request: web.Request) -> None:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise ApiError("missing_api_key")
        if key.strip() in self.script.invalid_keys:
            raise ApiError("invalid_api_key")
        if key.strip() in self.script.restricted_keys and request.method != "POST":
            raise ApiError("restricted_api_key")

    async def _send(self, request: web.Request) -> web.Response:
        try:
            body = await request.read()
        except ConnectionError:  # whoever was sending it is dead
            request["outcome"] = "left"
            return web.Response(status=499)
        payload = _parsed(body)
        if self.faults.match_recipients or not isinstance(payload, list):
            request["recipients"] = recipients_of(payload)
        action = self.faults.action_for(request.method, _path(request), request.get("recipients", ()))
        if action is not None and not action.taken:
            await wait(self.script.latency_ms)
            request["outcome"] = action.error if action.kind == "error" else action.kind
            spoilt = await spoil(request, action, _scripted_error)
            if spoilt is not None:
                return spoilt
        response = await self._take(request, payload, body)
        if action is not None and action.taken:
            request["outcome"] = f"{action.error if action.kind == 'error' else action.kind} after taking"
            return await spoil(request, action, _scripted_error) or response
        return response

    async def _take(self, request: web.Request, payload: object, body: bytes) -> web.Response:
        key = request.headers.get("Idempotency-Key")
        if key is None:
            await wait(self.script.latency_ms)
            return _json(self._accept(request, payload, body, None))
        if not 1 <= len(key) <= MAX_KEY:
            raise ApiError("invalid_idempotency_key")
        try:
            with self._keys.hold(key):
                await wait(self.script.latency_ms)
                return self._once(request, payload, body, key)
        except KeyInFlightError:
            raise ApiError("concurrent_idempotent_requests") from None
        except KeyReusedError:
            raise ApiError("invalid_idempotent_request") from None

    def _once(self, request: web.Request, payload: object, body: bytes, key: str) -> web.Response:
        same = fingerprint(_path(request).encode(), body)
        answer, replayed = self._keys.once(key, same, lambda: self._accept(request, payload, body, key))
        if replayed:
            request["outcome"] = "replayed"
        return _json(answer)

    def _accept(self, request: web.Request, payload: object, body: bytes, key: str | None) -> bytes:
        batch = _path(request) == "/emails/batch"
        arrivals, errors = self._checked_batch(request, payload) if batch else ([Arrival(self._checked(payload))], [])
        self._quota.check(len(arrivals))
        ids = self.mailbox.accept(arrivals, body, key, self._clock.now())
        self._quota.count(len(ids))
        request["outcome"], request["mails"] = "accepted", len(ids)
        if self.on_accepted is not None:
            self.on_accepted(ids)
        if not batch:
            return _encoded({"id": ids[0]})
        answer: dict[str, Any] = {"data": [{"id": email_id} for email_id in ids]}
        return _encoded(answer if _strict(request) else answer | {"errors": errors})

    def _checked(self, payload: object, *, in_batch: bool = False) -> Any:
        return check_mail(payload, in_batch=in_batch, unverified_domains=self.script.unverified_domains)

    def _checked_batch(self, request: web.Request, payload: object) -> tuple[list[Arrival], list[dict[str, Any]]]:
        """Strict: one bad mail refuses all. Permissive: the good ones are taken, the bad ones named by their place."""
        if not isinstance(payload, list) or not 1 <= len(payload) <= MAX_BATCH:
            raise ApiError("validation_error", f"A batch is a list of 1 to {MAX_BATCH} mails.")
        arrivals: list[Arrival] = []
        errors: list[dict[str, Any]] = []
        for index, item in enumerate(payload):
            try:
                arrivals.append(Arrival(self._checked(item, in_batch=True), index))
            except ApiError as error:
                if _strict(request):
                    raise
                errors.append({"index": index, "message": error.message})
        return arrivals, errors

    async def _get(self, request: web.Request) -> web.Response:
        await self._read_fault(request)
        try:
            email_id = str(UUID(request.match_info["id"]))
        except ValueError:
            raise ApiError("invalid_parameter") from None
        found = self.mailbox.find(email_id)
        if found is None:
            raise ApiError("not_found", "There is no email with this id.")
        return _json(_encoded({"object": "email", **_public(found), "html": found["html"], "text": found["text"]}))

    async def _list(self, request: web.Request) -> web.Response:
        await self._read_fault(request)
        limit = min(int(request.query.get("limit", "20")), 100)
        found = self.mailbox.newest(limit=limit + 1)
        data = [_public(mail) for mail in found[:limit]]
        return _json(_encoded({"object": "list", "has_more": len(found) > limit, "data": data}))

    async def _nothing_here(self, request: web.Request) -> web.Response:
        raise ApiError("method_not_allowed" if _path(request).startswith("/emails") else "not_found")

    async def _read_fault(self, request: web.Request) -> None:
        await wait(self.script.latency_ms)
        action = self.faults.action_for(request.method, _path(request))
        if action is not None and action.kind == "error":
            raise _api_error(action)


def _path(request: web.Request) -> str:
    return request.path.removeprefix("/resend")


def _strict(request: web.Request) -> bool:
    return request.headers.get("x-batch-validation", "strict") != "permissive"


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise ApiError("validation_error", "The request body is not JSON.", status=400) from None


def _encoded(content: dict[str, Any]) -> bytes:
    return json.dumps(content).encode()


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")


def _public(mail: dict[str, Any]) -> dict[str, Any]:
    names = ("id", "from", "to", "subject", "tags", "last_event", "reply_to")
    return {**{name: mail[name] for name in names}, "cc": [], "bcc": [], "created_at": iso(mail["accepted_at"])}


def _api_error(action: Action) -> ApiError:
    return ApiError(action.error, action.message, status=action.status, headers=action.headers)


def _scripted_error(action: Action) -> web.Response:
    return _api_error(action).response()
