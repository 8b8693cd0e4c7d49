"""``checkout.session.expired``: the buyer left without paying."""

from __future__ import annotations

from sqlalchemy.orm import Session

from tasks.shop.checkout_sessions import cancel
from tasks.stripe_events import StripeEvent, handles


@handles("checkout.session.expired")
def cancel_abandoned_purchase(session: Session, event: StripeEvent) -> None:
    """Never cancels what was paid."""
    cancel(session, event)
