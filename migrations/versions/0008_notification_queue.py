"""Workers of any language: claim, report, retry and cancel notifications from SQL."""

from migrations.sql_file import run_sql_file

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    run_sql_file("0008_notification_queue.sql")
