"""The emails that purchases promise, each in its caller's transaction and once: confirmation, refund, welcome."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from models.credit_entries import credit_balance
from models.notifications import find_notification
from models.purchases import Purchase, PurchaseItem, items_of, load_purchase, undelivered_items
from models.schema import Json
from models.users import User
from tasks.emails.enqueueing import enqueue
from tasks.shop.purchase_errors import UnknownPurchase

NAMED_IN_NOTE = 10


def enqueue_purchase_confirmation(session: Session, purchase_id: UUID) -> UUID:
    """Promise the receipt of a completed purchase; asked again, it is the same email."""
    purchase, items = _completed(session, purchase_id), items_of(session, purchase_id)
    dedupe_key = f"purchase/{purchase_id}/confirmation"
    if purchase.kind != "credits":
        kind, payload = "purchase", _receipt(session, purchase, items)
    elif promised := find_notification(session, dedupe_key):
        return promised  # the balance is of its moment: built again, this would be another email under the same key
    else:
        kind, payload = "credit_purchase", _credit_receipt(session, purchase, items)
    return enqueue(session, kind, purchase.buyer_email, payload, dedupe_key=dedupe_key, user_id=purchase.user_id)


def enqueue_refund_notification(session: Session, purchase_id: UUID, *, refunded_cents: int) -> UUID:
    """Promise the notice of a refund of ``refunded_cents``, which ``purchases`` already counts in.

    The key holds what was announced in all, which only grows: when a refund fails and is made again, the second one is news.
    """
    purchase = _completed(session, purchase_id)
    payload = _facts(purchase) | {
        "refunded_cents": refunded_cents,
        "total_refunded_cents": purchase.refunded_cents,
        "full": purchase.refunded_cents == purchase.amount_cents,
        "refunded_at": _iso(purchase.refunded_at),
    }
    dedupe_key = f"purchase/{purchase_id}/refund/{purchase.refunds_announced_cents}"
    return enqueue(session, "refund", purchase.buyer_email, payload, dedupe_key=dedupe_key, user_id=purchase.user_id)


def enqueue_welcome_email(session: Session, user_id: UUID) -> UUID:
    """Promise the first email to a new user."""
    user = session.get_one(User, user_id)
    return enqueue(session, "welcome", user.email, {"name": user.name}, dedupe_key=f"user/{user_id}/welcome", user_id=user_id)


def _completed(session: Session, purchase_id: UUID) -> Purchase:
    purchase = load_purchase(session, purchase_id)
    if purchase is None or purchase.completed_at is None:
        raise UnknownPurchase(f"there is no completed purchase {purchase_id} to write about")
    return purchase


def _facts(purchase: Purchase) -> Json:
    return {
        "purchase_id": str(purchase.id),
        "buyer_name": purchase.buyer_name,
        "currency": purchase.currency,
        "total_cents": purchase.amount_cents,
    }


def _credit_receipt(session: Session, purchase: Purchase, items: Sequence[PurchaseItem]) -> Json:
    return _facts(purchase) | {
        "credits": sum(item.credits or 0 for item in items),
        "balance": credit_balance(session, purchase.user_id) if purchase.user_id else 0,
        "purchased_at": _iso(purchase.completed_at),
    }


def _receipt(session: Session, purchase: Purchase, items: Sequence[PurchaseItem]) -> Json:
    """Lists what the buyer got; a lead that he paid for and did not get is named in the note, with what he gets back for it."""
    missing = undelivered_items(session, purchase.id) if purchase.kind == "leads" and purchase.fulfilled_at is None else []
    got = [item for item in items if item not in missing]
    return _facts(purchase) | {
        "items": [{"description": item.description, "quantity": item.quantity, "amount_cents": item.amount_cents} for item in got],
        "purchased_at": _iso(purchase.completed_at),
        "note": _apology(missing),
    }


def _apology(missing: Sequence[PurchaseItem]) -> str | None:
    if not missing:
        return None
    names = ", ".join(item.description for item in missing[:NAMED_IN_NOTE]) + (" and others" if missing[NAMED_IN_NOTE:] else "")
    return f"Sold to somebody else a moment before your payment arrived: {names}. You will get back what you paid for that."


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
