"""``checkout.session.completed``: the buyer is done; the purchase is completed if the money is here too."""

from __future__ import annotations

from sqlalchemy.orm import Session

from tasks.shop.checkout_sessions import complete_or_await
from tasks.stripe_events import StripeEvent, handles


@handles("checkout.session.completed")
def complete_purchase(session: Session, event: StripeEvent) -> None:
    """Delayed payment methods say ``unpaid`` here and report the money later."""
    complete_or_await(session, event)
