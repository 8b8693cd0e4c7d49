"""Both providers put together over one store and one clock: what one simulator process is."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from pathlib import Path

from simulator.clock import Clock
from simulator.courier import Courier
from simulator.event_log import EventLog
from simulator.mail.api import ResendApi
from simulator.mail.notices import Notices
from simulator.payments.api import StripeApi
from simulator.payments.events import StripeEvents
from simulator.payments.ledger import Ledger
from simulator.payments.till import Till
from simulator.payments.trigger import Triggers
from simulator.script import Receiver, ResendScript, StripeScript
from simulator.signing import resend_headers, stripe_headers
from simulator.store import Store

EXPIRY_SECONDS = 30


@dataclass(frozen=True)
class Options:
    """What one simulator process is started with, and what a reset returns to."""

    receiver: Receiver
    data_folder: Path | None = None
    resend: ResendScript = field(default_factory=ResendScript)
    stripe: StripeScript = field(default_factory=StripeScript)


class Simulator:
    """The parts, and what concerns all of them: start, stop, reset and the clock."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self.receiver = options.receiver
        self.clock = Clock()
        self.store = Store(options.data_folder)
        self.resend_courier = Courier(EventLog("resend", self.store), self.clock, self._resend_url, self._sign_for_resend)
        self.resend = ResendApi(self.store, self.clock)
        self.notices = Notices(self.resend.mailbox, self.resend_courier, self.clock)
        self.resend.on_accepted = self.notices.after_acceptance
        self.stripe_courier = Courier(EventLog("stripe", self.store), self.clock, self._stripe_url, self._sign_for_stripe)
        ledger = Ledger(self.store)
        till = Till(ledger, self.clock.now)
        self.events = StripeEvents(self.store, self.stripe_courier, self.clock)
        self.stripe = StripeApi(self.store, self.clock, ledger, till, self.events)
        self.triggers = Triggers(ledger, till, self.events, self.clock)
        self._apply_options()

    def reset(self) -> None:
        """Forget every record and every script: what a test starts from."""
        self.resend_courier.stop_all()
        self.stripe_courier.stop_all()
        self.store.forget_everything()
        self.clock.reset()
        self.resend.forget()
        self.stripe.log.clear()
        self.receiver = self._options.receiver
        self._apply_options()

    def advance_clock(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.events.tell(self.stripe.till.expire_overdue())

    async def run_in_background(self) -> None:
        """Commit what was written, and let sessions expire."""
        await self.stripe_courier.open()
        await self.resend_courier.open()
        with contextlib.suppress(asyncio.CancelledError):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.store.keep_committing())
                tasks.create_task(self._keep_expiring())

    async def close(self) -> None:
        await self.stripe_courier.close()
        await self.resend_courier.close()
        self.store.close()

    async def _keep_expiring(self) -> None:
        while True:
            await asyncio.sleep(EXPIRY_SECONDS)
            self.events.tell(self.stripe.till.expire_overdue())

    def _apply_options(self) -> None:
        self.resend.apply(self._options.resend)
        self.notices.automatic = self._options.resend.automatic_events
        self.resend_courier.apply(self._options.resend.delivery)
        self.stripe.apply(self._options.stripe)
        self.stripe_courier.apply(self._options.stripe.delivery)

    def _stripe_url(self) -> str:
        return f"{self.receiver.web_url}/webhooks/stripe"

    def _sign_for_stripe(self, _event_id: str, body: bytes, at: float) -> dict[str, str]:
        return stripe_headers(body, self.receiver.stripe_secrets, at)

    def _resend_url(self) -> str:
        return f"{self.receiver.web_url}/webhooks/resend"

    def _sign_for_resend(self, event_id: str, body: bytes, at: float) -> dict[str, str]:
        return resend_headers(body.decode(), self.receiver.resend_secrets, event_id, at)
