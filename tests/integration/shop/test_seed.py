"""The demo data of ``make run``."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import text

from local.seed import seed
from models.connection import transaction
from models.leads import leads_by_id

pytestmark = pytest.mark.usefixtures("app_settings")
TABLES = ("users", "leads", "purchases", "purchase_items", "credit_entries")


def test_seeding_twice_is_seeding_once() -> None:
    assert seed()
    before = _counts()
    assert before == {"users": 3, "leads": 20, "purchases": 3, "purchase_items": 4, "credit_entries": 1}
    lead_id = seed()
    assert _counts() == before
    with transaction() as session:
        [lead] = leads_by_id(session, [UUID(lead_id)]).values()
        assert lead.sold_at is None
        assert session.execute(text("SELECT count(*) FROM leads WHERE sold_at IS NOT NULL")).scalar_one() == 2


def test_a_shop_that_has_sold_everything_is_still_seeded() -> None:
    seed()
    with transaction() as session:
        session.execute(text("UPDATE leads SET sold_at = now(), sold_to_purchase_id = (SELECT id FROM purchases LIMIT 1)"))
    assert seed() is None


def _counts() -> dict[str, int]:
    with transaction() as session:
        return {table: session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() for table in TABLES}
