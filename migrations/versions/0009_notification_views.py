"""The views and alerts by which people follow the notifications."""

from migrations.sql_file import run_sql_file

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    run_sql_file("0009_notification_views.sql")
