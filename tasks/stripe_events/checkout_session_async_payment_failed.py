"""``checkout.session.async_payment_failed``: the money of a delayed payment will not come."""

from __future__ import annotations

from sqlalchemy.orm import Session

from tasks.shop.checkout_sessions import cancel
from tasks.stripe_events import StripeEvent, handles


@handles("checkout.session.async_payment_failed")
def cancel_unpaid_purchase(session: Session, event: StripeEvent) -> None:
    """Nothing was handed out, so nothing is taken back."""
    cancel(session, event)
