"""Batches: mails that leave together in one call, frozen before it."""

from migrations.sql_file import run_sql_file

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    run_sql_file("0011_email_batches.sql")
