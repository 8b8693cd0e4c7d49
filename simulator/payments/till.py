"""What happens to a session when its buyer acts: paid, paid later, declined, expired, refunded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulator.payments.errors import StripeError
from simulator.payments.ledger import Ledger
from simulator.payments.sessions import NewSession
from simulator.script import BuyerAction
from simulator.stripe_aftermath import refund
from simulator.stripe_ids import stripe_id
from simulator.stripe_objects import StripeJson, charge, checkout_session, payment_intent
from simulator.stripe_sale import Sale


@dataclass(frozen=True)
class Happening:
    """Something Stripe makes an event about."""

    event_type: str
    content: StripeJson
    previous: StripeJson | None = None
    livemode: bool = False


class Till:
    """Each action changes the ledger and returns what is to be told, in the order in which it happened."""

    def __init__(self, ledger: Ledger, now: Callable[[], float]) -> None:
        self._ledger = ledger
        self._now = now

    def open(self, new: NewSession) -> StripeJson:
        identity = new.session["id"]
        self._ledger.put("checkout.session", new.session, identity)
        self._ledger.put("line_items", new.line_items, f"{identity}/line_items")
        self._ledger.put("payment_metadata", new.payment_metadata, f"{identity}/payment_metadata")
        return new.session

    def act(self, session_id: str, action: BuyerAction) -> list[Happening]:
        acts: dict[BuyerAction, Callable[[StripeJson], list[Happening]]] = {
            "pay": self._pay,
            "pay_later": self._pay_later,
            "payment_arrives": self._payment_arrives,
            "payment_fails": self._payment_fails,
            "decline": self._decline,
            "expire": self._expire,
        }
        return acts[action](self._ledger.get("checkout.session", session_id))

    def expire_overdue(self) -> list[Happening]:
        return [happening for identity in self._ledger.overdue_sessions(self._now()) for happening in self.act(identity, "expire")]

    def sale_of(self, session: StripeJson) -> Sale:
        """The facts of a session from which its payment intent, charge and refunds are built."""
        identity = session["id"]
        return Sale(
            purchase_id=session["client_reference_id"] or identity,
            email=session["customer_email"] or "buyer@example.com",
            amount_cents=session["amount_total"],
            currency=session["currency"],
            created=session["created"],
            livemode=session["livemode"],
            session_id=identity,
            payment_intent_id=stripe_id("pi_3", identity),
            charge_id=stripe_id("ch_3", identity),
            metadata=session["metadata"],
            payment_metadata=self._ledger.find("payment_metadata", f"{identity}/payment_metadata") or {},
        )

    def refund(self, payment_intent_id: str, amount_cents: int | None, seed: str, given: dict[str, Any]) -> list[Happening]:
        """Refund all that is left of a payment, or a part; the first happening carries the refund."""
        session = self._ledger.session_of_payment(payment_intent_id)
        sale = self.sale_of(session or self._ledger.get("checkout.session", payment_intent_id))
        before = self._ledger.get("charge", sale.charge_id)
        left = before["amount"] - before["amount_refunded"]
        amount = left if amount_cents is None else amount_cents
        if left <= 0:
            raise StripeError(f"Charge {sale.charge_id} has already been refunded.", code="charge_already_refunded")
        if not 0 < amount <= left:
            raise StripeError(f"The refund of {amount} is more than the {left} left on this charge.", param="amount")
        after = {**before, "amount_refunded": before["amount_refunded"] + amount, "refunded": amount == left}
        self._ledger.put("charge", after, sale.charge_id)
        made = refund(sale, refund_id=stripe_id("re_3", seed), amount_cents=amount, created=int(self._now())) | given
        self._ledger.put("refund", made, made["id"])
        previous = {"amount_refunded": before["amount_refunded"]} | ({"refunded": False} if after["refunded"] else {})
        return [Happening("refund.created", made, livemode=sale.livemode), Happening("charge.refunded", after, previous)]

    def fail_refund(self, payment_intent_id: str) -> list[Happening]:
        """The bank sends the newest refund of a payment back; nothing happens if there is none that can fail."""
        made = self._ledger.latest_refund(payment_intent_id)
        if made is None or made["status"] == "failed":
            return []
        failed = {**made, "status": "failed", "failure_reason": "expired_or_canceled_card"}
        self._ledger.put("refund", failed, failed["id"])
        charged = self._ledger.get("charge", made["charge"])
        returned = {**charged, "amount_refunded": charged["amount_refunded"] - made["amount"], "refunded": False}
        self._ledger.put("charge", returned, returned["id"])
        return [Happening("refund.failed", failed, {"status": made["status"]}, livemode=charged["livemode"])]

    def _pay(self, session: StripeJson) -> list[Happening]:
        done = self._completed(session, "paid" if session["amount_total"] else "no_payment_required")
        return [*self._money_received(done), Happening("checkout.session.completed", done)]

    def _pay_later(self, session: StripeJson) -> list[Happening]:
        done = self._completed(session, "unpaid")
        waiting = payment_intent(self.sale_of(done), status="processing")
        self._ledger.put("payment_intent", waiting, waiting["id"])
        return [Happening("checkout.session.completed", done)]

    def _payment_arrives(self, session: StripeJson) -> list[Happening]:
        self._demand(session, status="complete", payment_status="unpaid")
        paid = {**session, "payment_status": "paid"}
        self._ledger.put("checkout.session", paid, paid["id"])
        return [*self._money_received(paid), Happening("checkout.session.async_payment_succeeded", paid)]

    def _payment_fails(self, session: StripeJson) -> list[Happening]:
        self._demand(session, status="complete", payment_status="unpaid")
        failed = payment_intent(self.sale_of(session), status="requires_payment_method")
        self._ledger.put("payment_intent", failed, failed["id"])
        return [Happening("payment_intent.payment_failed", failed), Happening("checkout.session.async_payment_failed", session)]

    def _decline(self, session: StripeJson) -> list[Happening]:
        """A declined card leaves the session open: the buyer may try another."""
        self._demand(session, status="open")
        declined = payment_intent(self.sale_of(session), status="requires_payment_method")
        declined["last_payment_error"] = {"type": "card_error", "code": "card_declined", "decline_code": "generic_decline"}
        return [Happening("payment_intent.payment_failed", declined)]

    def _expire(self, session: StripeJson) -> list[Happening]:
        self._demand(session, status="open")
        expired = {**session, "status": "expired", "url": None}
        self._ledger.put("checkout.session", expired, expired["id"])
        return [Happening("checkout.session.expired", expired)]

    def _completed(self, session: StripeJson, payment_status: str) -> StripeJson:
        self._demand(session, status="open")
        details = checkout_session(self.sale_of(session))["customer_details"]
        payment = None if payment_status == "no_payment_required" else self.sale_of(session).payment_intent_id
        done = {**session, "status": "complete", "payment_status": payment_status, "payment_intent": payment, "url": None}
        done["customer_details"] = details
        self._ledger.put("checkout.session", done, done["id"])
        return done

    def _money_received(self, session: StripeJson) -> list[Happening]:
        if session["payment_intent"] is None:
            return []
        sale = self.sale_of(session)
        received, charged = payment_intent(sale), charge(sale)
        self._ledger.put("payment_intent", received, received["id"])
        self._ledger.put("charge", charged, charged["id"])
        return [Happening("payment_intent.succeeded", received)]

    def _demand(self, session: StripeJson, **state: str) -> None:
        for name, value in state.items():
            if session[name] != value:
                raise StripeError(f"This session's {name} is {session[name]}; this needs {value}.", code="unexpected_state")
