"""Demo data never gets in the way: it can be added at every start, and what was sold stays sold."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select, text

from local.seed import PEOPLE, TITLES, seed
from models.connection import transaction
from models.leads import Lead
from models.users import User

pytestmark = pytest.mark.usefixtures("app_settings")


def rows() -> tuple[int | None, int | None]:
    with transaction() as session:
        return session.scalar(select(func.count()).select_from(User)), session.scalar(select(func.count()).select_from(Lead))


def test_seeding_twice_adds_nothing_and_offers_the_same_lead() -> None:
    assert seed() == seed() is not None
    assert rows() == (len(PEOPLE), len(TITLES))


def test_when_every_lead_is_sold_none_is_offered() -> None:
    seed()
    with transaction() as session:
        session.execute(text("UPDATE leads SET sold_at = now(), sold_to_purchase_id = (SELECT id FROM purchases LIMIT 1)"))
    assert seed() is None
    assert rows() == (len(PEOPLE), len(TITLES))
