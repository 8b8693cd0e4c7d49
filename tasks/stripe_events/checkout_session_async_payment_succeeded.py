"""``checkout.session.async_payment_succeeded``: the money of a delayed payment has arrived."""

from __future__ import annotations

from sqlalchemy.orm import Session

from tasks.shop.checkout_sessions import complete_or_await
from tasks.stripe_events import StripeEvent, handles


@handles("checkout.session.async_payment_succeeded")
def complete_delayed_purchase(session: Session, event: StripeEvent) -> None:
    """The same as a paid ``completed``, which may come later or never."""
    complete_or_await(session, event)
