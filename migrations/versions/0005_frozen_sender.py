"""Freeze a mail's sender and reply address together with its body."""

from migrations.sql_file import run_sql_file

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    run_sql_file("0005_frozen_sender.sql")
