"""What happens in the shop during a run, made from one seed: purchases, the events about them, and how each must end."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import insert
from sqlalchemy.orm import Session

from models.leads import Lead
from models.new_purchases import NewItem, NewPurchase, add_purchase
from models.purchases import Kind
from simulator.signing import FORGERIES, Forgery
from simulator.stripe_events import Details, Event, Sale, build_event, override

BROKEN_DOMAIN = "broken.example"  # the simulated provider refuses these addresses for good
LEAD_CENTS, CREDIT_CENTS, CREDITS, PRODUCT_CENTS = 2_500, 10, 100, 1_999
DISORDER_SECONDS = 8.0  # the events of one purchase overtake each other within this time


class Delivery(NamedTuple):
    """One event on its way: ``copies`` senders deliver it at about the same time, ``forgery`` is wrong with its signature."""

    at_seconds: float
    event: Event
    copies: int = 1
    forgery: Forgery | None = None


@dataclass
class Plan:
    """One purchase, and what must have become of it when all its events were heard."""

    purchase_id: UUID
    kind: Kind
    email: str
    lead_ids: Sequence[UUID] = ()
    paid: bool = False
    status: str = "pending"
    refunded_cents: int = 0
    credits: int = 0
    dispute_status: str | None = None


@dataclass
class Story:
    """Everything that is sent; ``reasons`` are the events that must become failed operations, and why."""

    plans: list[Plan] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    ignored: set[str] = field(default_factory=set)
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def genuine(self) -> set[str]:
        """The ids of the events whose signature is good."""
        return {delivery.event["id"] for delivery in self.deliveries if delivery.forgery is None}


def write_story(session: Session, chance: random.Random, *, deliveries: int, seconds: float) -> Story:
    """Open purchases and plan events about them until there are ``deliveries``, spread over ``seconds``."""
    author = _Author(session, chance, seconds)
    while author.planned < deliveries:
        author.one_purchase()
    return author.story


class _Author:
    """Makes the story up, one purchase after the other."""

    def __init__(self, session: Session, chance: random.Random, seconds: float) -> None:
        self.story, self.planned = Story(), 0
        self._session, self._chance, self._seconds = session, chance, seconds
        self._contested: list[UUID] = []
        self._now = int(time.time())

    def one_purchase(self) -> None:
        plan, sale = self._open()
        begin = self._chance.uniform(0, max(self._seconds - DISORDER_SECONDS, 1))
        tell = partial(self._tell, begin, sale)
        fates: dict[Callable[[], None], int] = {
            lambda: self._paid(plan, sale, tell): 72,
            lambda: self._paid_later(plan, sale, tell): 10,
            lambda: self._never_paid(plan, tell): 8,
            lambda: self._paid_after_all(plan, sale, tell): 4,
            lambda: self._of_no_purchase(begin): 1,
            lambda: self._too_little(tell): 1,
            lambda: self._unheard_of(tell): 4,
        }
        self._chance.choices(list(fates), list(fates.values()))[0]()
        if self._chance.random() < 0.04:  # noqa: PLR2004 - a share, like the weights above
            self._forged(begin, sale)
        self.story.plans.append(plan)

    def _open(self) -> tuple[Plan, Sale]:
        kinds: list[Kind] = ["leads", "credits", "products"]
        kind = self._chance.choices(kinds, [60, 25, 15])[0]
        number = self._chance.randrange(1 + len(self.story.plans) // 2)
        domain = BROKEN_DOMAIN if number % 80 == 7 else "example.com"  # noqa: PLR2004 - any number would do
        plan = Plan(purchase_id=uuid4(), kind=kind, email=f"buyer{number}@{domain}")
        items = list(self._items(plan))
        purchase = add_purchase(self._session, NewPurchase(kind=kind, buyer_email=plan.email, currency="usd", items=items))
        assert purchase is not None  # noqa: S101 - without an idempotency key it is always new
        plan.purchase_id = purchase.id
        return plan, Sale(purchase_id=str(purchase.id), email=plan.email, amount_cents=purchase.amount_cents)

    def _items(self, plan: Plan) -> Iterator[NewItem]:
        if plan.kind == "credits":
            yield NewItem(description=f"{CREDITS} credits", unit_amount_cents=CREDIT_CENTS, quantity=CREDITS, credits=CREDITS)
        elif plan.kind == "products":
            yield NewItem(description="Handbook", unit_amount_cents=PRODUCT_CENTS)
        else:
            plan.lead_ids = self._leads()
            for lead_id in plan.lead_ids:
                yield NewItem(description=f"Lead {lead_id}", unit_amount_cents=LEAD_CENTS, lead_id=lead_id)

    def _leads(self) -> list[UUID]:
        """One to three leads; some of them stand in somebody else's purchase too, and only the first to pay gets them."""
        rows = [{"title": "Lead", "price_cents": LEAD_CENTS, "currency": "usd"}] * self._chance.randint(1, 3)
        leads = list(self._session.scalars(insert(Lead).returning(Lead.id), rows))
        if self._contested and self._chance.random() < 0.1:  # noqa: PLR2004 - a share
            leads[0] = self._contested.pop()
        elif self._chance.random() < 0.1:  # noqa: PLR2004 - a share
            self._contested.append(leads[0])
        return leads

    def _tell(self, begin: float, sale: Sale, event_type: str, *, change: dict[str, Any] | None = None, **details: Any) -> str:
        event = build_event(event_type, sale, created=self._now, event_id=f"evt_{uuid4().hex}", details=Details(**details))
        self._send(begin, override(event, change) if change else event)
        return str(event["id"])

    def _send(self, begin: float, event: Event) -> None:
        copies = self._chance.choices([1, 2, 3], [85, 11, 4])[0]
        self.story.deliveries.append(Delivery(begin + self._chance.uniform(0, DISORDER_SECONDS), event, copies))
        self.planned += copies

    def _paid(self, plan: Plan, sale: Sale, tell: Callable[..., str]) -> None:
        tell("checkout.session.completed")
        self._completed(plan, sale, tell)

    def _paid_later(self, plan: Plan, sale: Sale, tell: Callable[..., str]) -> None:
        tell("checkout.session.completed", payment_status="unpaid")
        tell("checkout.session.async_payment_succeeded")
        self._completed(plan, sale, tell)

    def _paid_after_all(self, plan: Plan, sale: Sale, tell: Callable[..., str]) -> None:
        """Two events that contradict each other, in any order: the money decides."""
        tell("checkout.session.expired")
        tell("checkout.session.completed")
        self._completed(plan, sale, tell)

    def _never_paid(self, plan: Plan, tell: Callable[..., str]) -> None:
        plan.status = "cancelled"
        if self._chance.random() < 0.5:  # noqa: PLR2004 - a coin
            tell("checkout.session.expired")
        else:
            tell("checkout.session.completed", payment_status="unpaid")
            tell("checkout.session.async_payment_failed")

    def _completed(self, plan: Plan, sale: Sale, tell: Callable[..., str]) -> None:
        plan.paid, plan.status, plan.credits = True, "completed", CREDITS if plan.kind == "credits" else 0
        aftermath = self._chance.choices(["nothing", "refund", "two refunds", "dispute"], [70, 15, 10, 5])[0]
        half = sale.amount_cents // 2
        if aftermath == "refund":
            tell("charge.refunded", refund_cents=sale.amount_cents)
            plan.refunded_cents, plan.credits = sale.amount_cents, 0
        elif aftermath == "two refunds":
            tell("charge.refunded", refund_cents=half)
            tell("charge.refunded", refund_cents=sale.amount_cents - half, refunded_before_cents=half)
            plan.refunded_cents, plan.credits = sale.amount_cents, 0
        elif aftermath == "dispute":
            tell("charge.dispute.created", dispute_status="needs_response")
            tell("charge.dispute.closed", dispute_status="won")
            plan.dispute_status = "won"

    def _of_no_purchase(self, begin: float) -> None:
        event_id = self._tell(begin, Sale(purchase_id=str(uuid4())), "checkout.session.completed")
        self.story.reasons[event_id] = "unknown_purchase"

    def _too_little(self, tell: Callable[..., str]) -> None:
        self.story.reasons[tell("checkout.session.completed", change={"data.object.amount_total": 1})] = "amount_mismatch"

    def _unheard_of(self, tell: Callable[..., str]) -> None:
        self.story.ignored.add(tell("customer.tax_id.created"))

    def _forged(self, begin: float, sale: Sale) -> None:
        event = build_event("checkout.session.completed", sale, created=self._now, event_id=f"evt_forged_{uuid4().hex}")
        self.story.deliveries.append(Delivery(begin, event, forgery=self._chance.choice(FORGERIES)))
        self.planned += 1
