"""Completing a paid purchase: its goods are handed out once, the emails promised, and what cannot be delivered is written down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypedDict
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from models.credit_entries import add_credits
from models.failed_operations import record_failure
from models.leads import mark_sold
from models.payment_reports import lock_payment
from models.purchases import (
    Purchase,
    PurchaseItem,
    items_of,
    lock_purchase,
    mark_completed,
    mark_paid_by,
    undelivered_items,
)
from models.users import find_or_add_user
from tasks.shop.money_back import apply_reports
from tasks.shop.order_emails import enqueue_purchase_confirmation, enqueue_welcome_email
from tasks.shop.purchase_errors import AmountMismatch, PaidTwice, UnknownPurchase, WrongKind

log = structlog.get_logger()


class LeadPurchaseResult(TypedDict):
    """``success``: the purchase is completed and owns every lead it asked for; ``lead_ids_marked``: those that this call sold."""

    success: bool
    already_completed: bool
    lead_ids_marked: list[UUID]


class PaymentNames(TypedDict):
    """What Stripe calls the checkout and the payment."""

    checkout_session_id: str | None
    payment_intent_id: str | None


@dataclass(frozen=True, kw_only=True)
class Payment:
    """The money that came, as far as the caller knows; an amount or currency that is given must be the purchase's own."""

    checkout_session_id: str | None = None
    payment_intent_id: str | None = None
    amount_cents: int | None = None
    currency: str | None = None
    buyer_name: str | None = None

    @property
    def names(self) -> PaymentNames:
        return {"checkout_session_id": self.checkout_session_id, "payment_intent_id": self.payment_intent_id}


class Completion(NamedTuple):
    """What one call of ``complete_purchase`` did."""

    already_completed: bool
    lead_ids_marked: list[UUID]


def complete_stripe_lead_purchase(
    session: Session,
    *,
    purchase_id: UUID,
    checkout_session_id: str | None = None,
    payment_intent_id: str | None = None,
    amount_cents: int | None = None,
    currency: str | None = None,
) -> LeadPurchaseResult:
    """Sell the leads of a paid purchase to its buyer, in the caller's transaction; calling it again changes nothing.

    Raises ``UnknownPurchase``, ``WrongKind``, ``AmountMismatch`` or ``PaidTwice``, and has changed nothing then.
    """
    payment = Payment(
        checkout_session_id=checkout_session_id, payment_intent_id=payment_intent_id, amount_cents=amount_cents, currency=currency
    )
    lock_payment_of(session, payment)
    purchase = lock_purchase(session, purchase_ids=[purchase_id])
    if purchase is None:
        raise UnknownPurchase(f"there is no purchase {purchase_id}")
    if purchase.kind != "leads":
        raise WrongKind(f"purchase {purchase_id} is about {purchase.kind} and not about leads")
    completion = complete_purchase(session, purchase, payment)
    return {
        "success": not undelivered_items(session, purchase_id),
        "already_completed": completion.already_completed,
        "lead_ids_marked": completion.lead_ids_marked,
    }


def lock_payment_of(session: Session, payment: Payment) -> None:
    """Before the purchase is locked: a refund of the same payment either sees the completed purchase or is seen by its completion."""
    if payment.payment_intent_id is not None:
        lock_payment(session, payment.payment_intent_id)


def complete_purchase(session: Session, purchase: Purchase, payment: Payment) -> Completion:
    """Complete a purchase of any kind, which is locked, and whose payment is."""
    already_completed = purchase.status == "completed"
    if already_completed:
        _refuse_second_payment(purchase, payment)
        mark_paid_by(session, purchase.id, **payment.names)
        marked = []
    else:
        _refuse_other_amount(purchase, payment)
        marked = _hand_out(session, purchase, payment)
    apply_reports(session, purchase)
    log.info("purchase.completed", purchase_id=str(purchase.id), kind=purchase.kind, already_completed=already_completed, leads=len(marked))
    return Completion(already_completed, marked)


def _hand_out(session: Session, purchase: Purchase, payment: Payment) -> list[UUID]:
    user_id, is_new = find_or_add_user(session, email=purchase.buyer_email, name=purchase.buyer_name or payment.buyer_name)
    items = items_of(session, purchase.id)
    marked = _sell_leads(session, purchase, items)
    missing = [item for item in items if item.lead_id is not None and item.lead_id not in marked]
    fulfilled = not missing and purchase.kind != "products"
    mark_completed(session, purchase.id, user_id=user_id, buyer_name=payment.buyer_name, fulfilled=fulfilled, **payment.names)
    _grant_credits(session, purchase, items, user_id)
    if missing:
        _tell_a_person(session, purchase, missing)
    if is_new:
        enqueue_welcome_email(session, user_id)
    enqueue_purchase_confirmation(session, purchase.id)
    return marked


def _sell_leads(session: Session, purchase: Purchase, items: Sequence[PurchaseItem]) -> list[UUID]:
    lead_ids = [item.lead_id for item in items if item.lead_id is not None]
    return mark_sold(session, lead_ids, purchase_id=purchase.id) if lead_ids else []


def _grant_credits(session: Session, purchase: Purchase, items: Sequence[PurchaseItem], user_id: UUID) -> None:
    bought = sum(item.credits or 0 for item in items)
    if bought:
        cause = f"purchase/{purchase.id}"
        add_credits(session, user_id=user_id, purchase_id=purchase.id, amount=bought, reason="purchase", cause=cause)


def _refuse_second_payment(purchase: Purchase, payment: Payment) -> None:
    for known, told in (
        (purchase.stripe_checkout_session_id, payment.checkout_session_id),
        (purchase.stripe_payment_intent_id, payment.payment_intent_id),
    ):
        if known is not None and told is not None and known != told:
            raise PaidTwice(f"purchase {purchase.id} was paid by {known} and now again by {told}: pay the second payment back")


def _refuse_other_amount(purchase: Purchase, payment: Payment) -> None:
    amount_cents = purchase.amount_cents if payment.amount_cents is None else payment.amount_cents
    currency = payment.currency or purchase.currency
    if (amount_cents, currency) != (purchase.amount_cents, purchase.currency):
        raise AmountMismatch(
            f"purchase {purchase.id} asks for {purchase.amount_cents} {purchase.currency} (in minor units),"
            f" and {amount_cents} {currency} came: nothing was handed out"
        )


def _tell_a_person(session: Session, purchase: Purchase, missing: Sequence[PurchaseItem]) -> None:
    """The buyer paid for leads that somebody else got a moment earlier; he is owed their price."""
    owed_cents = sum(item.amount_cents for item in missing)
    record_failure(
        session,
        {
            "operation_type": "job",
            "operation_id": purchase.id,
            "operation_name": "pay_back_by_hand",
            "reason": "lead_already_sold",
            "event_data": {
                "purchase_id": str(purchase.id),
                "lead_ids": [str(item.lead_id) for item in missing],
                "refund_cents": owed_cents,
                "currency": purchase.currency,
            },
            "error_type": "LeadAlreadySold",
            "error_message": f"{len(missing)} paid lead(s) had been sold to somebody else: refund {owed_cents} {purchase.currency}"
            " (in minor units) in Stripe, then resolve this.",
        },
    )
