"""Takes a provider's events to the receiver as the provider would: signed, again until it answers 2xx, and at times twice."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable

import aiohttp

from simulator.clock import Clock
from simulator.event_log import Attempt, EventLog
from simulator.script import DeliveryScript

MAX_CONNECTIONS = 16

Sign = Callable[[str, bytes, float], dict[str, str]]
"""From an event's id, its body and the moment: the headers of a delivery."""


FirstAttempt = asyncio.Future[bool]
"""Becomes whether the first attempt succeeded; further attempts follow on their own."""


class Courier:
    """The deliveries of one provider; ``script`` decides about gaps, duplicates, delay and disorder."""

    def __init__(self, log: EventLog, clock: Clock, url: Callable[[], str], sign: Sign) -> None:
        self.log = log
        self._clock = clock
        self._url = url
        self._sign = sign
        self._script = DeliveryScript()
        self._chance = random.Random(0)  # noqa: S311 - a script, not a secret
        self._gaps_left = 0
        self._session: aiohttp.ClientSession | None = None
        self._deliveries: set[asyncio.Task[None]] = set()

    def apply(self, script: DeliveryScript) -> None:
        """Deliver as ``script`` says from now on; what is already under way goes on as it began."""
        self._script = script
        self._gaps_left = script.gap_next
        self._chance = random.Random(script.seed)  # noqa: S311 - a script, not a secret

    async def open(self) -> None:
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS), trust_env=False)
        for event_id in self.log.pending():
            self._start(event_id, self._script)

    async def close(self) -> None:
        self.stop_all()
        await asyncio.gather(*self._deliveries, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def stop_all(self) -> None:
        for delivery in self._deliveries:
            delivery.cancel()

    def take(self, event_id: str, event_type: str, body: bytes, *, deliver: bool = True) -> FirstAttempt | None:
        """Log a new event and begin to deliver it; None when it is one that is never sent."""
        script = self._script
        withheld = not deliver or not script.enabled or self._falls_into_a_gap()
        self.log.add(event_id, event_type, body, self._clock.now(), "withheld" if withheld else "pending")
        if withheld:
            return None
        first = self._start(event_id, script)
        if self._chance.random() < script.duplicate_probability:
            self._start(event_id, script)
        return first

    def resend(self, event_id: str) -> FirstAttempt:
        """Deliver an event once more, also one that was withheld or abandoned."""
        self.log.set_state(event_id, "pending")
        return self._start(event_id, self._script.model_copy(update={"delay_ms": 0, "disorder_ms": 0}))

    def _falls_into_a_gap(self) -> bool:
        if self._gaps_left:
            self._gaps_left -= 1
            return True
        return self._chance.random() < self._script.gap_probability

    def _start(self, event_id: str, script: DeliveryScript) -> FirstAttempt:
        first: FirstAttempt = asyncio.get_running_loop().create_future()
        pause_ms = script.delay_ms + self._chance.random() * script.disorder_ms
        delivery = asyncio.create_task(self._deliver(event_id, script, pause_ms / 1000, first))
        self._deliveries.add(delivery)
        delivery.add_done_callback(self._deliveries.discard)
        return first

    async def _deliver(self, event_id: str, script: DeliveryScript, pause: float, first: FirstAttempt) -> None:
        for wait_seconds in (pause, *script.retry_seconds):
            await asyncio.sleep(wait_seconds)
            succeeded = await self._attempt(event_id, script.timeout_seconds)
            if not first.done():
                first.set_result(succeeded)
            if succeeded:
                return
        self.log.set_state(event_id, "abandoned")

    async def _attempt(self, event_id: str, timeout_seconds: float) -> bool:
        body = self.log.body_of(event_id)
        if body is None or self._session is None:  # forgotten by a reset in the meantime
            return False
        status, error, started = None, None, time.perf_counter()
        try:
            headers = self._sign(event_id, body, time.time())
            limit = aiohttp.ClientTimeout(total=timeout_seconds)
            async with self._session.post(self._url(), data=body, headers=headers, timeout=limit, allow_redirects=False) as answer:
                await answer.read()
                status = answer.status
        except aiohttp.ClientConnectorError as problem:
            error = os.strerror(problem.errno) if problem.errno else "no connection"
        except TimeoutError:
            error = f"no answer within {timeout_seconds:g} s"
        except (aiohttp.ClientError, ValueError) as problem:
            error = str(problem) or type(problem).__name__
        attempt = Attempt(self._clock.now(), status, error, round((time.perf_counter() - started) * 1000, 3))
        self.log.note_attempt(event_id, attempt)
        if attempt.succeeded:
            self.log.set_state(event_id, "delivered")
        return attempt.succeeded
