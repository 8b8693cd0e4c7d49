"""The ledger: users, webhook events, notifications with their log, suppressions, failed operations, audit log."""

from migrations.sql_file import run_sql_file

revision = "0001"
down_revision = None


def upgrade() -> None:
    run_sql_file("0001_work.sql")
