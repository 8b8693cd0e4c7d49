"""The dead-man's switch: expected tasks and alerts."""

from migrations.sql_file import run_sql_file

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    run_sql_file("0007_dead_man.sql")
