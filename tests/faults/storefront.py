"""A shop's traffic as Stripe and the buyers see it: signed events over HTTP, and what came of each payment."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import requests
from sqlalchemy import text

from models.connection import transaction
from models.purchases import Purchase
from models.users import find_or_add_user
from settings import Settings, secrets_in
from simulator.control import SimulatorClient
from simulator.signing import stripe_headers
from simulator.stripe_events import Event, encode_event
from tests.eventually import eventually
from tests.shop import add_leads, buy_leads, sale_of, told

CURRENT_ANSWER_SECONDS = 5


@dataclass(frozen=True)
class Answer:
    """What the receiver said, and how long it took."""

    status: int
    seconds: float
    retry_after: str | None


class Storefront:
    """Sells one lead to each of many buyers, whom the shop knows already: each purchase promises exactly one email."""

    def __init__(self, settings: Settings, simulator: SimulatorClient) -> None:
        self.url = f"{settings.public_url}/webhooks/stripe"
        self.simulator = simulator
        self._secrets = secrets_in(settings.stripe_webhook_secret)
        self._session = requests.Session()
        self._sold = 0

    def sell(self, count: int) -> list[Purchase]:
        """Purchases that wait for their payment."""
        first, self._sold = self._sold, self._sold + count
        with transaction() as session:
            leads = add_leads(session, count)
            for number in range(first, self._sold):
                find_or_add_user(session, email=f"buyer{number}@example.com", name=None)
            return [buy_leads(session, [lead], email=f"buyer{first + place}@example.com") for place, lead in enumerate(leads)]

    def deliver(self, event: Event, *, patience_seconds: float = CURRENT_ANSWER_SECONDS) -> Answer:
        """One delivery as Stripe makes it; status 0 if there was no answer."""
        body, begun = encode_event(event), time.monotonic()
        try:
            answer = self._session.post(
                self.url, data=body, headers=stripe_headers(body, self._secrets, time.time()), timeout=patience_seconds
            )
        except requests.RequestException:
            return Answer(0, time.monotonic() - begun, None)
        return Answer(answer.status_code, time.monotonic() - begun, answer.headers.get("Retry-After"))

    def pay(self, purchases: Sequence[Purchase]) -> list[Answer]:
        """Deliver one completed checkout for each; the event of a purchase is always the same one."""
        return [self.deliver(self.payment_of(purchase)) for purchase in purchases]

    def pay_until_taken(self, purchases: Sequence[Purchase], within_seconds: float = 30) -> None:
        """Deliver as a sender does: again until it is acknowledged."""
        for purchase in purchases:
            eventually(lambda waiting=purchase: self.deliver(self.payment_of(waiting)).status == 200, within_seconds)  # type: ignore[misc]

    def payment_of(self, purchase: Purchase) -> Event:
        return told("checkout.session.completed", sale_of(purchase), event_id=f"evt_paid_{purchase.id.hex}")

    def unfinished(self, purchases: Sequence[Purchase]) -> dict[str, int]:
        """What is still missing for these purchases, by kind; empty when each one was done and its mail was taken."""
        ids = [purchase.id for purchase in purchases]
        with transaction() as session:
            rows = session.execute(text(_DONE), {"ids": ids}).one()
        return {name: len(ids) - count for name, count in rows._mapping.items() if count < len(ids)}

    def wait_until_done(self, purchases: Sequence[Purchase], within_seconds: float) -> None:
        """Until each purchase owns its lead and its one mail was taken by the provider."""
        eventually(lambda: not self.unfinished(purchases) or self._say(purchases), within_seconds, ignoring=(Exception,))

    def check_once(self, purchases: Sequence[Purchase]) -> None:
        """Nothing was done twice: one mail for each purchase at the provider, each lead with its own buyer, no failures."""
        summary = self.simulator.summary()
        assert (summary.accepted, summary.duplicate_keys, summary.duplicate_dedupe_headers) == (len(purchases), {}, {})
        with transaction() as session:
            assert session.execute(text(_WRONG_OWNERS), {"ids": [purchase.id for purchase in purchases]}).all() == []
            assert session.execute(text("SELECT reason, error_message FROM failed_operations")).all() == []

    def _say(self, purchases: Sequence[Purchase]) -> bool:
        raise AssertionError(f"still missing: {self.unfinished(purchases)}")


def event_of(purchase: Purchase) -> UUID:
    """The id of the row that holds the purchase's payment."""
    with transaction() as session:
        found = session.execute(
            text("SELECT id FROM webhook_events WHERE provider_event_id = :name"), {"name": f"evt_paid_{purchase.id.hex}"}
        )
        return UUID(str(found.scalar_one()))


_DONE = """
    SELECT (SELECT count(*) FROM purchases WHERE id = ANY(:ids) AND status = 'completed') AS purchases,
           (SELECT count(*) FROM leads WHERE sold_to_purchase_id = ANY(:ids)) AS leads,
           (SELECT count(*) FROM notifications n JOIN purchases p ON n.dedupe_key = 'purchase/' || p.id || '/confirmation'
            WHERE p.id = ANY(:ids) AND n.status = 'sent') AS mails
"""
_WRONG_OWNERS = """
    SELECT p.id FROM purchases p JOIN purchase_items i ON i.purchase_id = p.id JOIN leads l ON l.id = i.lead_id
    WHERE p.id = ANY(:ids) AND l.sold_to_purchase_id IS DISTINCT FROM p.id
"""
