"""``charge.dispute.closed``: the bank has decided, or an inquiry has ended."""

from __future__ import annotations

from sqlalchemy.orm import Session

from tasks.shop.disputes import read_dispute
from tasks.shop.money_back import take_report
from tasks.stripe_events import StripeEvent, handles


@handles("charge.dispute.closed")
def mark_dispute_closed(session: Session, event: StripeEvent) -> None:
    """The purchase shows how it ended; what a lost one means for the goods is for a person to decide."""
    take_report(session, read_dispute(event, "dispute_closed"))
