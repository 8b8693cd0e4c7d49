"""Demo data never gets in the way: it can be added at every start, and there is always a lead left to buy."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select, text

from local.seed import LEADS, PEOPLE, seed
from models.connection import transaction
from models.leads import Lead
from models.users import User

pytestmark = pytest.mark.usefixtures("app_settings")


def rows() -> tuple[int | None, int | None]:
    with transaction() as session:
        return session.scalar(select(func.count()).select_from(User)), session.scalar(select(func.count()).select_from(Lead))


def test_seeding_twice_adds_nothing() -> None:
    assert seed() == seed()
    assert rows() == (len(PEOPLE), len(LEADS))


def test_when_every_demo_lead_is_sold_there_are_new_ones() -> None:
    first = seed()
    with transaction() as session:
        purchase = session.execute(
            text(
                "INSERT INTO purchases (kind, buyer_email, currency, amount_cents) VALUES ('leads', 'a@example.com', 'usd', 1) RETURNING id"
            )
        ).scalar_one()
        session.execute(text("UPDATE leads SET sold_at = now(), sold_to_purchase_id = :purchase"), {"purchase": purchase})
    assert seed() != first
    assert rows() == (len(PEOPLE), 2 * len(LEADS))
