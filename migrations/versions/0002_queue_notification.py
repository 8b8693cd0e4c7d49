"""``queue_notification``: promise an email from SQL, in the caller's own transaction."""

from migrations.sql_file import run_sql_file

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    run_sql_file("0002_queue_notification.sql")
