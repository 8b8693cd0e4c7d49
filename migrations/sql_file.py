"""Runs one of the ``migrations/sql`` files as it is written, so that the SQL reads as SQL."""

from pathlib import Path

from alembic import op


def run_sql_file(name: str) -> None:
    """Execute every statement of the file in the migration's transaction; nothing in it is taken for a bind parameter."""
    sql = (Path(__file__).parent / "sql" / name).read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(sql.replace("%", "%%"))
