"""Stripe Checkout as the API uses it: one session for one purchase; Stripe's errors are translated here and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from api.errors import ApiError, try_again
from models.purchases import Purchase, PurchaseItem
from tasks.stripe_api import stripe_client

if TYPE_CHECKING:
    import stripe
    from stripe.params.checkout import SessionCreateParams, SessionCreateParamsLineItem

log = structlog.get_logger()


@dataclass(frozen=True)
class Checkout:
    """Where the buyer pays."""

    session_id: str
    url: str | None


REFUSED = (422, "checkout_refused", "Stripe does not accept this purchase: {reason}")
MISCONFIGURED = (502, "stripe_misconfigured", "Stripe does not accept the shop's API key; its operator has to repair that.")
TRANSLATIONS = {
    "InvalidRequestError": REFUSED,
    "CardError": REFUSED,
    "AuthenticationError": MISCONFIGURED,
    "PermissionError": MISCONFIGURED,
}
"""Stripe's error to ours; whatever is not in the table may go away by itself, so the caller is asked to try again."""
CONFLICT = 409  # another request with the same idempotency key is on its way


def open_checkout(purchase: Purchase, items: Sequence[PurchaseItem], *, success_url: str, cancel_url: str) -> Checkout:
    """Make the purchase's session; asked again within a day, Stripe answers with the same one. Raises ``ApiError``."""
    import stripe  # costs 0.4 s and 26 MB, which the receiver in the same process must not pay at its start

    try:
        session = stripe_client().v1.checkout.sessions.create(
            _parameters(purchase, items, success_url=success_url, cancel_url=cancel_url),
            {"idempotency_key": f"purchase/{purchase.id}/checkout"},
        )
        return Checkout(session.id, session.url)
    except stripe.StripeError as error:
        raise _translated(error, purchase) from error
    except AttributeError as error:
        raise _away(purchase) from error  # a proxy's answer: 200, and not a session


def _parameters(purchase: Purchase, items: Sequence[PurchaseItem], *, success_url: str, cancel_url: str) -> SessionCreateParams:
    names = {"purchase_id": str(purchase.id)}
    return {
        "mode": "payment",
        "client_reference_id": str(purchase.id),
        "customer_email": purchase.buyer_email,
        "line_items": [_line(item, purchase.currency) for item in items],
        "metadata": names,
        "payment_intent_data": {"metadata": names},
        "success_url": success_url,
        "cancel_url": cancel_url,
    }


def _line(item: PurchaseItem, currency: str) -> SessionCreateParamsLineItem:
    price = {"currency": currency, "unit_amount": item.unit_amount_cents, "product_data": {"name": item.description}}
    return {"quantity": item.quantity, "price_data": price}  # type: ignore[typeddict-item]


def _translated(error: stripe.StripeError, purchase: Purchase) -> ApiError:
    name = type(error).__name__
    log.warning("checkout.failed", purchase_id=str(purchase.id), error=name, http_status=error.http_status, request_id=error.request_id)
    if name not in TRANSLATIONS or error.http_status == CONFLICT:
        return _away(purchase)
    status, code, sentence = TRANSLATIONS[name]
    return ApiError(status, code, sentence.format(reason=error.user_message or "it gives no reason."), purchase_id=str(purchase.id))


def _away(purchase: Purchase) -> ApiError:
    return try_again(
        "checkout_unavailable",
        "Stripe does not answer now; the purchase waits. Send the same request with the same Idempotency-Key again.",
        purchase_id=str(purchase.id),
    )
