"""From a request to the pending purchase: prices are the shop's own, and what cannot be sold is refused by name."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.orm import Session

from api.errors import ApiError, not_valid
from api.purchase_requests import LARGEST_AMOUNT, CreditsRequest, LeadsRequest, ProductsRequest, PurchaseRequest, fingerprint
from models.credit_entries import PRICE_CENTS
from models.leads import Lead, leads_by_id
from models.new_purchases import NewItem, NewPurchase, add_purchase, purchase_made_with
from models.purchases import Purchase


def find_or_make(session: Session, request: PurchaseRequest, idempotency_key: str | None) -> tuple[Purchase, bool]:
    """The purchase of this request, and whether the same request had made it before. Raises ``ApiError``."""
    known = purchase_made_with(session, idempotency_key) if idempotency_key else None
    if known is None:
        made = add_purchase(session, _new_purchase(session, request, idempotency_key))
        if made is not None:
            return made, False
        known = purchase_made_with(session, str(idempotency_key))  # another request with this key was faster
    if known is None or known.request_fingerprint != fingerprint(request):
        raise ApiError(409, "idempotency_key_reused", "This Idempotency-Key was used for another purchase; use a new key for a new one.")
    if isinstance(request, LeadsRequest) and known.status == "pending" and known.checkout_url is None:
        _leads_for_sale(session, request)
    return known, True


def _new_purchase(session: Session, request: PurchaseRequest, idempotency_key: str | None) -> NewPurchase:
    new = NewPurchase(
        kind=request.kind,
        buyer_email=request.email,
        buyer_name=request.name,
        currency=request.currency,
        items=_items(session, request),
        idempotency_key=idempotency_key,
        request_fingerprint=fingerprint(request) if idempotency_key else None,
    )
    if new.amount_cents > LARGEST_AMOUNT:
        raise not_valid([{"field": "lead_ids", "message": f"The leads cost more than {LARGEST_AMOUNT} in minor units."}])
    return new


def _items(session: Session, request: PurchaseRequest) -> list[NewItem]:
    match request:
        case LeadsRequest():
            leads = _leads_for_sale(session, request)
            return [NewItem(description=lead.title, unit_amount_cents=lead.price_cents, lead_id=lead.id) for lead in leads]
        case CreditsRequest():
            price_cents = _price_of_credit(request.currency)
            words = f"{request.credits} credit" + ("s" if request.credits > 1 else "")
            return [NewItem(description=words, quantity=request.credits, unit_amount_cents=price_cents, credits=request.credits)]
        case ProductsRequest():
            return [
                NewItem(description=item.name, quantity=item.quantity, unit_amount_cents=item.unit_amount_cents) for item in request.items
            ]


def _leads_for_sale(session: Session, request: LeadsRequest) -> list[Lead]:
    """The leads in the order of the request; raises ``ApiError`` 409 that names those that cannot be bought."""
    found = leads_by_id(session, request.lead_ids)
    unknown = [lead_id for lead_id in request.lead_ids if lead_id not in found]
    sold = [lead.id for lead in found.values() if lead.sold_at is not None]
    priced_otherwise = [lead.id for lead in found.values() if lead.currency != request.currency]
    if unknown or sold or priced_otherwise:
        raise ApiError(
            409,
            "leads_unavailable",
            "Some of the leads cannot be bought.",
            unknown=_texts(unknown),
            already_sold=_texts(sold),
            in_another_currency=_texts(priced_otherwise),
        )
    return [found[lead_id] for lead_id in request.lead_ids]


def _price_of_credit(currency: str) -> int:
    if currency not in PRICE_CENTS:
        raise not_valid([{"field": "currency", "message": f"Credits are sold in {', '.join(sorted(PRICE_CENTS))}."}])
    return PRICE_CENTS[currency]


def _texts(ids: Sequence[UUID]) -> list[str]:
    return [str(one) for one in ids]
