"""The shop: leads, purchases with items, credit entries, and what Stripe reported about payments."""

from migrations.sql_file import run_sql_file

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run_sql_file("0003_shop.sql")
