"""Alembic's entry: one transaction for all migrations, behind a lock so that two releases cannot run at once."""

from alembic import context
from sqlalchemy import create_engine, text

from models.connection import CONNECT_ARGUMENTS
from settings import get_settings

MIGRATION_LOCK = 0x7265_6472

engine = create_engine(get_settings().database_url, connect_args={**CONNECT_ARGUMENTS, "options": "-c lock_timeout=30s"})
with engine.begin() as connection:
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
    context.configure(connection=connection)
    context.run_migrations()
