"""The sender: delivers as Stripe does, again until it is acknowledged, and keeps its own records."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp

from local.chaos.story import Delivery
from simulator.signing import forged_stripe_signature, stripe_headers
from simulator.stripe_events import encode_event

TIMEOUT_SECONDS = 10.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 5.0
MOST_AT_ONCE = 64
NO_ANSWER, OK, BROKEN = 0, 200, 500


@dataclass
class Records:
    """What the sender knows: ``accepted`` has the moment of each event's first 200."""

    accepted: dict[str, float] = field(default_factory=dict)
    answers: Counter[int] = field(default_factory=Counter)
    slowest_seconds: float = 0.0
    forged_answers: dict[str, int] = field(default_factory=dict)
    deliveries_done: int = 0


class Sender(threading.Thread):
    """Sends the whole story from a thread of its own, so that nothing which happens elsewhere makes it kinder."""

    def __init__(self, deliveries: Sequence[Delivery], url: str, secret: str, *, seed: int) -> None:
        super().__init__(name="sender", daemon=True)
        self.records = Records()
        self.begun_at = 0.0
        self._deliveries, self._url, self._secret = deliveries, url, secret
        self._chance = random.Random(seed)  # noqa: S311 - pauses, not secrets
        self._given_up = threading.Event()

    @property
    def total(self) -> int:
        """How many deliveries there are, copies included."""
        return sum(delivery.copies for delivery in self._deliveries)

    def give_up(self) -> None:
        """Stop sending again what was not acknowledged; it stays out of ``accepted``."""
        self._given_up.set()

    def run(self) -> None:
        """Deliver everything at its time."""
        self.begun_at = time.time()
        asyncio.run(self._send_all())

    async def _send_all(self) -> None:
        limit = asyncio.Semaphore(MOST_AT_ONCE)
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout, trust_env=False) as session:
            copies = [delivery for delivery in self._deliveries for _ in range(delivery.copies)]
            await asyncio.gather(*(self._deliver(session, limit, delivery) for delivery in copies))

    async def _deliver(self, session: aiohttp.ClientSession, limit: asyncio.Semaphore, delivery: Delivery) -> None:
        await asyncio.sleep(delivery.at_seconds + self._chance.random())
        pause = FIRST_PAUSE_SECONDS
        while not self._given_up.is_set():
            async with limit:
                status = await self._attempt(session, delivery)
            if self._is_final(delivery, status):
                break
            await asyncio.sleep(pause * self._chance.uniform(1, 1.5))
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        self.records.deliveries_done += 1

    async def _attempt(self, session: aiohttp.ClientSession, delivery: Delivery) -> int:
        """The status that was answered; ``NO_ANSWER`` if there was none."""
        body, begun = encode_event(delivery.event), time.monotonic()
        try:
            async with session.post(self._url, data=body, headers=self._headers(delivery, body)) as answer:
                await answer.read()
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            status = NO_ANSWER
        self.records.answers[status] += 1
        if status == OK:
            self.records.slowest_seconds = max(self.records.slowest_seconds, time.monotonic() - begun)
        return status

    def _headers(self, delivery: Delivery, body: bytes) -> dict[str, str]:
        headers = stripe_headers(body, self._secret, time.time())
        if delivery.forgery is not None:
            forged = forged_stripe_signature(delivery.forgery, body, self._secret, time.time())
            headers = {name: value for name, value in headers.items() if name != "Stripe-Signature"}
            headers |= {} if forged is None else {"Stripe-Signature": forged}
        return headers

    def _is_final(self, delivery: Delivery, status: int) -> bool:
        event_id = delivery.event["id"]
        if delivery.forgery is not None and NO_ANSWER < status < BROKEN:
            self.records.forged_answers[event_id] = status
            return True
        if status == OK:
            self.records.accepted.setdefault(event_id, time.time())
        return status == OK


def webhook_url(public_url: str) -> str:
    """The door's address for Stripe."""
    assert urlsplit(public_url).hostname == "127.0.0.1"  # noqa: S101 - this is no load for anybody else's server
    return f"{public_url}/webhooks/stripe"
