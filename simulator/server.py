"""One process that answers as Resend and as Stripe, on loopback only."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from simulator.clock import Clock
from simulator.json_requests import explain_invalid_scripts, json_object, reply
from simulator.mail.api import ResendApi
from simulator.mail.control_routes import ResendControl
from simulator.script import Receiver, ResendScript
from simulator.store import Store

LOOPBACK = {"127.0.0.1", "localhost", "::1", "[::1]"}
MAX_BODY_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Options:
    """What one simulator process is started with."""

    receiver: Receiver
    data_folder: Path | None = None
    resend: ResendScript = ResendScript()


class Simulator:
    """Both providers over one store and one clock."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.clock = Clock()
        self.store = Store(options.data_folder)
        self.resend = ResendApi(self.store, self.clock)
        self.resend.apply(options.resend)

    def application(self) -> web.Application:
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[only_loopback_names, explain_invalid_scripts])
        app.add_routes(ResendControl(self.resend).routes())
        app.add_routes([web.get("/healthz", _alive), web.post("/control/clock", self._advance), web.post("/control/reset", self._reset)])
        app.add_routes(self.resend.routes())
        app.cleanup_ctx.append(self._background)
        return app

    async def _background(self, app: web.Application) -> AsyncIterator[None]:
        committing = asyncio.create_task(self.store.keep_committing())
        yield
        committing.cancel()
        await asyncio.gather(committing, return_exceptions=True)
        self.store.close()

    async def _advance(self, request: web.Request) -> web.Response:
        self.clock.advance(float((await json_object(request)).get("advance_seconds", 0)))
        return reply({"now": self.clock.now()})

    async def _reset(self, request: web.Request) -> web.Response:
        """Forget every record and every script: what a test starts from."""
        await json_object(request)
        self.store.forget_everything()
        self.clock.reset()
        self.resend.log.clear()
        self.resend.apply(self.options.resend)
        return reply({})


@web.middleware
async def only_loopback_names(request: web.Request, handler: Any) -> web.StreamResponse:
    """A page elsewhere that points its own name at 127.0.0.1 is refused: its Host header gives it away."""
    if request.host.rpartition(":")[0].lower() not in LOOPBACK and request.host.lower() not in LOOPBACK:
        raise web.HTTPForbidden(text="The simulator answers on loopback names only.")
    response: web.StreamResponse = await handler(request)
    return response


async def _alive(request: web.Request) -> web.Response:
    return reply({"status": "ok"})


async def serve(options: Options, host: str, port: int, stop: asyncio.Event) -> AsyncIterator[int]:
    """Listen, yield the port that was bound (``port`` 0: a free one), and shut down in order once ``stop`` is set."""
    runner = web.AppRunner(Simulator(options).application(), access_log=None, keepalive_timeout=75, shutdown_timeout=2)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=1024, reuse_address=True)
        await site.start()
        yield runner.addresses[0][1]
        await stop.wait()
    finally:
        with contextlib.suppress(asyncio.CancelledError):
            await runner.cleanup()
