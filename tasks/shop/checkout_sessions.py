"""What a Checkout session's end means to the purchase it was made for: paid, paid later, or not paid at all."""

from __future__ import annotations

import structlog
from sqlalchemy.orm import Session

from models.purchases import Purchase, lock_purchase, mark_awaiting_payment, mark_cancelled
from tasks.shop.purchase_completion import Payment, complete_purchase, lock_payment_of
from tasks.shop.purchase_errors import MalformedEvent, UnknownPurchase
from tasks.shop.stripe_objects import CheckoutSession, payment_status, read_checkout_session
from tasks.stripe_events import StripeEvent

log = structlog.get_logger()


def complete_or_await(session: Session, event: StripeEvent) -> None:
    """Complete the purchase if the session is paid (or costs nothing), and wait for the money if it is not."""
    status, checkout = payment_status(event), read_checkout_session(event)
    if checkout.not_ours:
        return
    if status == "unpaid":
        _await_payment(session, checkout)
    else:
        _complete(session, event, checkout)


def cancel(session: Session, event: StripeEvent) -> None:
    """Cancel the purchase unless it was paid, or is being paid through another session."""
    checkout = read_checkout_session(event)
    purchase = _purchase(session, checkout)
    if purchase is not None and _is_current(purchase, checkout) and mark_cancelled(session, purchase.id):
        log.info("purchase.cancelled", purchase_id=str(purchase.id), because=event.type)


def _complete(session: Session, event: StripeEvent, checkout: CheckoutSession) -> None:
    if checkout.amount_cents is None or checkout.currency is None:
        raise MalformedEvent(f"the {event.type} event {event.id} does not say how much was paid")
    payment = Payment(
        checkout_session_id=checkout.id,
        payment_intent_id=checkout.payment_intent_id,
        amount_cents=checkout.amount_cents,
        currency=checkout.currency,
        buyer_name=checkout.buyer_name,
    )
    lock_payment_of(session, payment)
    purchase = _purchase(session, checkout)
    if purchase is not None:
        complete_purchase(session, purchase, payment)
    elif checkout.amount_cents or checkout.purchase_ids:
        raise UnknownPurchase(
            f"checkout session {checkout.id} is paid ({checkout.amount_cents} {checkout.currency} in minor units), and no purchase of"
            " ours belongs to it; sessions of other programs carry the metadata redrive=ignore"
        )


def _await_payment(session: Session, checkout: CheckoutSession) -> None:
    purchase = _purchase(session, checkout)
    if purchase is not None and _is_current(purchase, checkout) and mark_awaiting_payment(session, purchase.id):
        log.info("purchase.awaiting_payment", purchase_id=str(purchase.id))


def _purchase(session: Session, checkout: CheckoutSession) -> Purchase | None:
    return lock_purchase(
        session,
        purchase_ids=checkout.purchase_ids,
        checkout_session_id=checkout.id,
        payment_intent_id=checkout.payment_intent_id,
    )


def _is_current(purchase: Purchase, checkout: CheckoutSession) -> bool:
    """A purchase may have been given a new session; the end of an older one does not concern it."""
    return purchase.stripe_checkout_session_id in {None, checkout.id}
