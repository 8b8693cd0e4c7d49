"""``/api/purchases``: make a purchase with its Stripe checkout, look at it, and mark it as handed out."""

from __future__ import annotations

from uuid import UUID

from flask import Response, request

from api.checkout import open_checkout
from api.errors import ApiError
from api.idempotency import KEY, idempotency_key
from api.openapi import Operation, documented
from api.purchase_answers import PurchaseAnswer, show
from api.purchase_making import find_or_make
from api.purchase_requests import PURCHASE_REQUEST, PurchaseRequest, read_purchase_request
from api.rooms import api_room
from models.connection import transaction
from models.new_purchases import save_checkout
from models.purchases import Purchase, items_of, load_purchase, mark_fulfilled
from settings import get_settings

blueprint = api_room("purchases", __name__, url_prefix="/api/purchases", largest_body=64 * 1024)


@blueprint.post("")
@documented(Operation(takes=PURCHASE_REQUEST, gives={201: PurchaseAnswer}, refuses=(409, 413, 422, 502), parameters=[KEY]))
def make_purchase() -> Response:
    """201 with the pending purchase and where to pay; repeated with the same ``Idempotency-Key`` it is the same purchase."""
    wanted, key = read_purchase_request(request.get_data(cache=False)), idempotency_key()
    with transaction() as session:
        purchase, replayed = find_or_make(session, wanted, key)
        items = items_of(session, purchase.id)
    if purchase.status == "pending" and purchase.checkout_url is None:
        checkout = open_checkout(purchase, items, **_addresses(wanted))  # outside: Stripe may take seconds to answer
        with transaction() as session:
            save_checkout(session, purchase.id, session_id=checkout.session_id, url=checkout.url)
    response = _answer(_shown(purchase.id), 201)
    if replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response


@blueprint.get("/<purchase_id>")
@documented(Operation(gives={200: PurchaseAnswer}))
def get_purchase(purchase_id: str) -> Response:
    """200 with the purchase, its items and its marks."""
    return _answer(_shown(_known_id(purchase_id)), 200)


@blueprint.post("/<purchase_id>/fulfilled")
@documented(Operation(gives={200: PurchaseAnswer}, refuses=(409,)))
def mark_purchase_fulfilled(purchase_id: str) -> Response:
    """200 once the shop has handed out the goods of a completed purchase; saying so again changes nothing."""
    known_id = _known_id(purchase_id)
    with transaction() as session:
        mark_fulfilled(session, known_id)
    shown = _shown(known_id)
    if shown.fulfilled_at is None:
        raise ApiError(409, "not_completed", f"The purchase is {shown.status}: only a completed one can be fulfilled.")
    return _answer(shown, 200)


def _known_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise _not_found() from None


def _shown(purchase_id: UUID) -> PurchaseAnswer:
    with transaction() as session:
        purchase: Purchase | None = load_purchase(session, purchase_id)
        if purchase is None:
            raise _not_found()
        return show(session, purchase)


def _not_found() -> ApiError:
    return ApiError(404, "not_found", "There is no purchase with this id.")


def _addresses(wanted: PurchaseRequest) -> dict[str, str]:
    shop = get_settings().public_url
    return {"success_url": wanted.success_url or shop, "cancel_url": wanted.cancel_url or shop}


def _answer(shown: PurchaseAnswer, status: int) -> Response:
    return Response(shown.model_dump_json(), status=status, mimetype="application/json")
