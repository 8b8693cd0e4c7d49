"""A little demo data for a laptop: people, and leads that can be bought; safe to run at every start."""

from __future__ import annotations

from itertools import count
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models.connection import transaction
from models.leads import Lead
from models.users import find_or_add_user

PEOPLE = (("ada@example.com", "Ada Lovelace"), ("grace@example.com", "Grace Hopper"), ("alan@example.com", "Alan Turing"))
LEADS = (
    ("Solar roof for a family house", "8 kWp with storage, offer wanted this week", 4900),
    ("New kitchen, 14 m²", "Plans exist, start in spring", 3900),
    ("Bakery moves to a new shop", "Needs electrics and ventilation", 6900),
    ("Heat pump instead of oil", "House of 1978, 140 m²", 5900),
    ("Website for a dental practice", "Booking and three languages", 2900),
    ("Company event for 80 people", "Two days in autumn, by a lake", 7900),
)


def seed() -> UUID:
    """Add what is missing and return a lead that nobody has bought yet."""
    with transaction() as session:
        for email, name in PEOPLE:
            find_or_add_user(session, email=email, name=name)
        return next(lead for batch in count() if (lead := _first_unsold(session, batch)) is not None)


def _first_unsold(session: Session, batch: int) -> UUID | None:
    """Offer the demo leads for the ``batch``-th time, under ids that stay the same, and find one that is left of them."""
    rows = [
        {"id": uuid5(NAMESPACE_URL, f"redrive:demo-lead:{batch}:{title}"), "title": title, "summary": summary, "price_cents": price}
        for title, summary, price in LEADS
    ]
    session.execute(insert(Lead).values([{**row, "currency": "usd"} for row in rows]).on_conflict_do_nothing())
    left = select(Lead.id).where(Lead.id.in_([row["id"] for row in rows]), Lead.sold_to_purchase_id.is_(None))
    return session.scalars(left.order_by(Lead.price_cents).limit(1)).one_or_none()
