"""What follows from a report about a payment: refunded and disputed marks, credits taken back, and the buyer told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import NAMESPACE_OID, uuid5

import structlog
from sqlalchemy.orm import Session

from models.credit_entries import add_credits, credits_of_purchase
from models.failed_operations import record_failure, resolve_operation
from models.payment_reports import NewReport, PaymentReport, add_report, lock_payment, mark_applied, payment_intent_of_charge, reports_of
from models.purchases import Purchase, items_of, lock_purchase, mark_disputed, mark_refunded, undelivered_items
from tasks.shop.order_emails import enqueue_refund_notification
from tasks.shop.refund_arithmetic import credits_left, dispute_of, refunded_cents

log = structlog.get_logger()


def take_report(session: Session, report: NewReport) -> None:
    """Remember the report, and apply it if the purchase is known and completed; otherwise its completion will."""
    payment_intent_id = _lock(session, report)
    add_report(session, replace(report, stripe_payment_intent_id=payment_intent_id))
    purchase = lock_purchase(session, payment_intent_id=payment_intent_id)
    if purchase is None or purchase.status != "completed":
        log.info("payment_report.remembered", kind=report.kind, stripe_event_id=report.stripe_event_id)
        return
    apply_reports(session, purchase)


def _lock(session: Session, report: NewReport) -> str | None:
    """Lock the payment under each of its names; returns its payment intent, as far as anybody has told: old shapes name only the charge."""
    payment_intent_id = report.stripe_payment_intent_id
    if report.stripe_charge_id is not None:
        lock_payment(session, report.stripe_charge_id)
        payment_intent_id = payment_intent_id or payment_intent_of_charge(session, report.stripe_charge_id)
    if payment_intent_id is not None:
        lock_payment(session, payment_intent_id)
    return payment_intent_id


def apply_reports(session: Session, purchase: Purchase) -> None:
    """Bring a completed and locked purchase up to what was reported about its payment; nothing to do means nothing is done."""
    if purchase.stripe_payment_intent_id is None:
        return
    reports = reports_of(session, purchase.stripe_payment_intent_id)
    news = [report for report in reports if report.applied_at is None]
    if not news:
        return
    _apply_refunds(session, purchase, reports, cause=max(report.stripe_event_id for report in news))
    _apply_disputes(session, purchase, reports)
    for report in news:
        if report.kind == "refund_failure":
            _tell_a_person(session, purchase, report)
    mark_applied(session, [report.id for report in news])
    log.info("payment_report.applied", purchase_id=str(purchase.id), kinds=sorted(report.kind for report in news))


def _apply_refunds(session: Session, purchase: Purchase, reports: Sequence[PaymentReport], *, cause: str) -> None:
    before, after = purchase.refunded_cents, refunded_cents(reports, amount_cents=purchase.amount_cents)
    if after == before:
        return
    mark_refunded(session, purchase, refunded_cents=after)
    _move_credits(session, purchase, cause=cause)
    _settle_undelivered_leads(session, purchase)
    if after > before:
        enqueue_refund_notification(session, purchase.id, refunded_cents=after - before)


def _move_credits(session: Session, purchase: Purchase, *, cause: str) -> None:
    """Write the entry that leaves the purchase with the credits that are still paid for."""
    bought = sum(item.credits or 0 for item in items_of(session, purchase.id))
    if not bought or purchase.user_id is None:
        return
    target = credits_left(bought, refunded_cents=purchase.refunded_cents, amount_cents=purchase.amount_cents)
    change = target - credits_of_purchase(session, purchase.id)
    if change:
        add_credits(
            session,
            user_id=purchase.user_id,
            purchase_id=purchase.id,
            amount=change,
            reason="refund" if change < 0 else "refund_failed",
            cause=f"purchase/{purchase.id}/{cause}",
        )


def _settle_undelivered_leads(session: Session, purchase: Purchase) -> None:
    """A person paid back what a lead that could not be delivered had cost: the failed operation that asked for it is done."""
    owed_cents = sum(item.amount_cents for item in undelivered_items(session, purchase.id)) if purchase.kind == "leads" else 0
    if 0 < owed_cents <= purchase.refunded_cents:
        resolve_operation(session, "job", purchase.id, by="stripe", note=f"{purchase.refunded_cents} {purchase.currency} refunded")


def _apply_disputes(session: Session, purchase: Purchase, reports: Sequence[PaymentReport]) -> None:
    dispute = dispute_of(reports)
    if dispute is not None:
        mark_disputed(session, purchase.id, status=dispute.status, disputed_at=dispute.since)


def _tell_a_person(session: Session, purchase: Purchase, report: PaymentReport) -> None:
    """A refund that failed was announced to the buyer, and only a person can pay it out in another way."""
    record_failure(
        session,
        {
            "operation_type": "job",
            "operation_id": uuid5(NAMESPACE_OID, report.stripe_object_id),
            "operation_name": "pay_back_by_hand",
            "reason": "refund_failed",
            "event_data": {
                "purchase_id": str(purchase.id),
                "stripe_refund_id": report.stripe_object_id,
                "refund_cents": report.amount_cents,
                "currency": purchase.currency,
            },
            "error_type": "RefundFailed",
            "error_message": "Stripe could not pay this refund out: pay the buyer back in another way, then resolve this.",
        },
    )
