"""``charge.dispute.created``: the buyer's bank asks for the money back, or only asks."""

from __future__ import annotations

from sqlalchemy.orm import Session

from tasks.shop.disputes import read_dispute
from tasks.shop.money_back import take_report
from tasks.stripe_events import StripeEvent, handles


@handles("charge.dispute.created")
def mark_purchase_disputed(session: Session, event: StripeEvent) -> None:
    """Nothing is taken back: who is right is not decided yet."""
    take_report(session, read_dispute(event, "dispute_opened"))
