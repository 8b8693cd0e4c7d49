"""The HTTP server around one simulator: its routes, and who may reach them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from simulator.account import Options, Simulator
from simulator.json_requests import explain_invalid_scripts, json_object, refuse, reply
from simulator.mail.control_routes import ResendControl
from simulator.pages.checkout import CheckoutPages
from simulator.pages.inbox import InboxPages
from simulator.pages.payments import PaymentPages
from simulator.pages.rendering import static_routes
from simulator.payments.control_routes import StripeControl
from simulator.script import changed

LOOPBACK = {"127.0.0.1", "localhost", "::1", "[::1]"}
MAX_BODY_BYTES = 64 * 1024 * 1024


def application(simulator: Simulator) -> web.Application:
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[only_loopback_names, explain_invalid_scripts])
    inbox = InboxPages(simulator.resend.mailbox, simulator.notices)
    app.on_shutdown.append(inbox.close)
    app.add_routes(ResendControl(simulator.resend, simulator.notices, simulator.resend_courier).routes())
    app.add_routes(StripeControl(simulator.stripe, simulator.triggers).routes())
    app.add_routes(GeneralControl(simulator).routes())
    app.add_routes(inbox.routes())
    app.add_routes(PaymentPages(simulator.stripe).routes())
    app.add_routes(CheckoutPages(simulator.stripe).routes())
    app.add_routes(static_routes())
    app.add_routes(simulator.resend.routes())
    app.add_routes(simulator.stripe.routes())

    async def background(_app: web.Application) -> AsyncIterator[None]:
        running = asyncio.create_task(simulator.run_in_background())
        yield
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await simulator.close()

    app.cleanup_ctx.append(background)
    return app


class GeneralControl:
    """Control routes that concern both providers."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/healthz", self._alive),
            web.post("/control/clock", self._advance),
            web.post("/control/reset", self._reset),
            web.post("/control/receiver", self._set_receiver),
        ]

    async def _alive(self, _request: web.Request) -> web.Response:
        return reply({"status": "ok"})

    async def _advance(self, request: web.Request) -> web.Response:
        seconds = (await json_object(request)).get("advance_seconds")
        if not isinstance(seconds, int | float):
            return refuse("advance_seconds is a number.")
        self._simulator.advance_clock(seconds)
        return reply({"now": self._simulator.clock.now()})

    async def _reset(self, request: web.Request) -> web.Response:
        await json_object(request)
        self._simulator.reset()
        return reply({})

    async def _set_receiver(self, request: web.Request) -> web.Response:
        self._simulator.receiver = changed(self._simulator.receiver, await json_object(request))
        return reply({"web_url": self._simulator.receiver.web_url})


@web.middleware
async def only_loopback_names(request: web.Request, handler: Any) -> web.StreamResponse:
    """A page elsewhere that points its own name at 127.0.0.1 is refused: its Host header gives it away."""
    if request.host.rpartition(":")[0].lower() not in LOOPBACK and request.host.lower() not in LOOPBACK:
        raise web.HTTPForbidden(text="The simulator answers on loopback names only.")
    response: web.StreamResponse = await handler(request)
    return response


async def serve(options: Options, host: str, port: int, stop: asyncio.Event) -> AsyncIterator[int]:
    """Listen, yield the port that was bound (``port`` 0: a free one), and shut down in order once ``stop`` is set."""
    runner = web.AppRunner(application(Simulator(options)), access_log=None, keepalive_timeout=75, shutdown_timeout=2)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=1024, reuse_address=True).start()
        yield runner.addresses[0][1]
        await stop.wait()
    finally:
        with contextlib.suppress(asyncio.CancelledError):
            await runner.cleanup()
