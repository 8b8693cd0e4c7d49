"""When personal data were removed, and which rows still hold some."""

from migrations.sql_file import run_sql_file

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    run_sql_file("0010_retention.sql")
