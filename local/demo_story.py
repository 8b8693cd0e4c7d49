"""The demo's story: a day in a shop where everything goes wrong that can, as 300 deliveries made from one seed."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import insert
from sqlalchemy.orm import Session

from models.leads import Lead
from models.new_purchases import NewItem, NewPurchase, add_purchase
from models.purchases import Kind, Purchase
from simulator.signing import Forgery, forged_stripe_signature, stripe_signature
from simulator.stripe_events import Details, Event, Sale, build_event, encode_event

NEVER_WORKS = "nobody@broken.example"
Fate = Literal["accepted", "refused"]


@dataclass(frozen=True)
class Delivery:
    """One POST of the story: ``chapter`` says why it is sent, ``forgery`` what is wrong with its signature."""

    chapter: str
    event: Event
    forgery: Forgery | None = None

    @property
    def fate(self) -> Fate:
        """How the receiver has to answer."""
        return "refused" if self.forgery else "accepted"

    def request(self, secret: str) -> tuple[bytes, dict[str, str]]:
        """Body and headers, signed now."""
        body, now = encode_event(self.event), time.time()
        header = forged_stripe_signature(self.forgery, body, secret, now) if self.forgery else stripe_signature(body, secret, now)
        return body, {"Stripe-Signature": header or "", "Content-Type": "application/json"}


def write_story(session: Session, chance: random.Random) -> list[Delivery]:
    """Offer leads, open the purchases, and return what Stripe will send about them, in the order of arrival."""
    paid = [_open_purchase(session, number, _buyer(number)) for number in range(180)]
    delayed = [_open_purchase(session, number, _buyer(number)) for number in range(180, 190)]
    abandoned = [_open_purchase(session, number, _buyer(number)) for number in range(190, 200)]
    completions = [Delivery("paid", _event("checkout.session.completed", sale)) for sale in paid]
    story = [
        *completions,
        *(Delivery("delivered twice", delivery.event) for delivery in chance.sample(completions, 40)),
        *(Delivery("forged", _event("checkout.session.completed", sale, at=7), "wrong_secret") for sale in paid[:20]),
        *(Delivery("stale", _event("checkout.session.completed", sale, at=8), "stale") for sale in paid[20:30]),
        *(Delivery("paid later", _event("checkout.session.completed", sale, payment_status="unpaid")) for sale in delayed),
        *(Delivery("paid later", _event("checkout.session.async_payment_succeeded", sale, at=5)) for sale in delayed),
        *(Delivery("abandoned", _event("checkout.session.expired", sale)) for sale in abandoned),
        *(Delivery("unknown type", _event("customer.tax_id.created", sale)) for sale in paid[:10]),
    ]
    chance.shuffle(story)
    # Money goes back before the shop has heard that it came.
    return [*(Delivery("refunded before it is paid", _event("charge.refunded", sale, at=9)) for sale in paid[-10:]), *story]


def paid_purchases(story: list[Delivery]) -> Iterator[str]:
    """The ids of the purchases that somebody paid for in the end."""
    for delivery in story:
        if delivery.fate == "accepted" and delivery.event["type"] in {
            "checkout.session.completed",
            "checkout.session.async_payment_succeeded",
        }:
            session = delivery.event["data"]["object"]
            if session["payment_status"] != "unpaid":
                yield session["client_reference_id"]


def _buyer(number: int) -> str:
    return NEVER_WORKS if number == 0 else f"buyer{number}@example.com"


def _open_purchase(session: Session, number: int, email: str) -> Sale:
    purchase = add_purchase(session, _new_purchase(session, number, email))
    if purchase is None:
        raise RuntimeError("a purchase without an idempotency key is always new")
    return _sale(purchase)


def _new_purchase(session: Session, number: int, email: str) -> NewPurchase:
    kinds: tuple[Kind, ...] = ("leads", "credits", "products")
    kind = kinds[number % 3]
    if kind == "leads":
        lead = session.scalars(insert(Lead).returning(Lead), [{"title": f"Lead {number}", "price_cents": 4900, "currency": "usd"}]).one()
        item = NewItem(description=lead.title, unit_amount_cents=lead.price_cents, lead_id=lead.id)
    elif kind == "credits":
        item = NewItem(description="100 credits", unit_amount_cents=10, quantity=100, credits=100)
    else:
        item = NewItem(description="Handbook", unit_amount_cents=1999)
    return NewPurchase(kind=kind, buyer_email=email, buyer_name=f"Buyer {number}", currency="usd", items=[item])


def _sale(purchase: Purchase) -> Sale:
    return Sale(
        purchase_id=str(purchase.id),
        email=purchase.buyer_email,
        name=purchase.buyer_name or "",
        amount_cents=purchase.amount_cents,
        currency=purchase.currency,
    )


def _event(event_type: str, sale: Sale, *, at: int = 0, payment_status: Literal["paid", "unpaid"] = "paid") -> Event:
    return build_event(event_type, sale, created=int(time.time()) + at, details=Details(payment_status=payment_status))
