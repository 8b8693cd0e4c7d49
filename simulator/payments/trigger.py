"""An event made by hand: the buyer's act where a session is known, so that the account agrees with what it tells."""

from __future__ import annotations

import time
from secrets import token_hex
from uuid import uuid4

from simulator.clock import Clock
from simulator.payments.events import StripeEvents
from simulator.payments.ledger import Ledger
from simulator.payments.till import Happening, Till
from simulator.script import BuyerAction, Trigger
from simulator.stripe_events import Details, build_event
from simulator.stripe_ids import stripe_id
from simulator.stripe_objects import StripeJson
from simulator.stripe_sale import Sale

OPEN_SESSION_ACTS: dict[tuple[str, str], BuyerAction] = {
    ("checkout.session.completed", "paid"): "pay",
    ("checkout.session.completed", "no_payment_required"): "pay",
    ("checkout.session.completed", "unpaid"): "pay_later",
    ("checkout.session.expired", "paid"): "expire",
}
WAITING_SESSION_ACTS: dict[str, BuyerAction] = {
    "checkout.session.async_payment_succeeded": "payment_arrives",
    "checkout.session.async_payment_failed": "payment_fails",
}


class Triggers:
    """Makes the events of ``POST /control/stripe/trigger``."""

    def __init__(self, ledger: Ledger, till: Till, events: StripeEvents, clock: Clock) -> None:
        self._ledger = ledger
        self._till = till
        self._events = events
        self._clock = clock

    def pull(self, trigger: Trigger) -> list[str]:
        """The ids of the events that were made, the triggered one last; ``times`` copies of that one are delivered."""
        session = self._session(trigger)
        happenings = self._act(trigger, session) if session else []
        if happenings:
            about = [happening.event_type for happening in happenings].index(trigger.type)
            happenings.append(happenings.pop(about))
            ids = self._events.tell(happenings[:-1], deliver=trigger.deliver)
            ids += self._events.tell(happenings[-1:], trigger.override, deliver=trigger.deliver)
        else:
            ids = [self._build(trigger, self._till.sale_of(session) if session else self._sale(trigger))]
        for _ in range(trigger.times - 1 if trigger.deliver else 0):
            self._events.courier.resend(ids[-1])
        return ids

    def _session(self, trigger: Trigger) -> StripeJson | None:
        if trigger.session_id is not None:
            return self._ledger.get("checkout.session", trigger.session_id)
        return self._ledger.session_of_purchase(trigger.purchase_id) if trigger.purchase_id else None

    def _act(self, trigger: Trigger, session: StripeJson) -> list[Happening]:
        """What the buyer does to cause this event; nothing when the session is past that, and the event is then made from its facts."""
        if session["status"] == "open":
            action = OPEN_SESSION_ACTS.get((trigger.type, trigger.payment_status))
        elif session["status"] == "complete" and session["payment_status"] == "unpaid":
            action = WAITING_SESSION_ACTS.get(trigger.type)
        else:
            action = None
        if action is not None:
            return self._till.act(session["id"], action)
        if trigger.type == "refund.failed" and session["payment_intent"]:
            return self._till.fail_refund(session["payment_intent"])
        charged = session["payment_intent"] and self._ledger.find("charge", self._till.sale_of(session).charge_id)
        if trigger.type in {"charge.refunded", "refund.created"} and charged and not charged["refunded"]:
            return self._till.refund(session["payment_intent"], trigger.refund_cents, token_hex(16), {})
        return []

    def _build(self, trigger: Trigger, sale: Sale) -> str:
        details = Details(
            payment_status=trigger.payment_status,
            refund_cents=trigger.refund_cents,
            refunded_before_cents=trigger.refunded_before_cents,
            dispute_status=trigger.dispute_status,
        )
        event_id = stripe_id("evt_1", token_hex(16))
        event = build_event(trigger.type, sale, created=int(self._clock.now()), event_id=event_id, details=details)
        return self._events.emit(event, trigger.override, deliver=trigger.deliver)

    def _sale(self, trigger: Trigger) -> Sale:
        return Sale(
            purchase_id=trigger.purchase_id or str(uuid4()),
            email=trigger.email,
            description=trigger.description,
            amount_cents=trigger.amount_cents,
            currency=trigger.currency,
            created=int(time.time()),
            livemode=trigger.livemode,
            metadata=trigger.metadata,
        )
