"""The tables as the migrations make them: what the models say, and who may read the dead letters."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from psycopg import sql

import models
from local.postgres import Postgres
from models.connection import engine, transaction
from models.failed_operation_lists import Filters, count_operations
from models.schema import Table
from settings import Settings
from tasks.dead_letters import bury_job


def test_the_models_say_what_the_migrations_made(app_settings: Settings) -> None:
    for module in pkgutil.iter_modules(models.__path__, "models."):
        importlib.import_module(module.name)
    with engine().connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_object": _mapped})
        assert compare_metadata(context, Table.metadata) == []


def _mapped(thing: object, name: str | None, kind: str, _reflected: bool, _compare_to: object) -> bool:
    """Indexes live in the migrations alone; so does what belongs to Alembic."""
    return kind not in {"index", "unique_constraint"} and not (kind == "table" and name == "alembic_version")


@pytest.fixture
def stranger(app_settings: Settings, postgres_server: Postgres) -> Iterator[psycopg.Connection]:
    """Somebody else's role, which may read the table as far as its privileges go."""
    name = sql.Identifier(f"stranger_{app_settings.postgres_dsn.rpartition('/')[2]}")
    password = postgres_server.address.password
    with psycopg.connect(app_settings.postgres_dsn, autocommit=True) as owner:
        owner.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(name, password))
        owner.execute(sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON failed_operations TO {}").format(name))
        login = app_settings.postgres_dsn.replace("//redrive:", f"//{name.as_string()[1:-1]}:")
        with psycopg.connect(login, autocommit=True) as connection:
            yield connection
        owner.execute(sql.SQL("REVOKE ALL ON failed_operations FROM {}").format(name))
        owner.execute(sql.SQL("DROP ROLE {}").format(name))


def test_a_connection_that_does_not_say_its_role_sees_no_failed_operation_and_changes_none(
    app_settings: Settings, stranger: psycopg.Connection
) -> None:
    bury_job("tasks.test", [], {}, ValueError("no"), task_id="1", stack=None)
    with psycopg.connect(app_settings.postgres_dsn, autocommit=True) as owner:  # not even the owner of the table
        for connection in (stranger, owner):
            assert connection.execute("SELECT * FROM failed_operations").fetchall() == []
            assert connection.execute("UPDATE failed_operations SET reason = 'x'").rowcount == 0
            assert connection.execute("DELETE FROM failed_operations").rowcount == 0
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(
                    "INSERT INTO failed_operations (operation_type, operation_id, operation_name, reason, error_type, error_message)"
                    " VALUES ('job', gen_random_uuid(), 'x', 'x', 'x', 'x')"
                )
    with transaction() as session:
        assert count_operations(session, Filters(reason="retries_exhausted")) == 1


def test_a_connection_that_says_it_is_an_operators_sees_them(app_settings: Settings) -> None:
    bury_job("tasks.test", [], {}, ValueError("no"), task_id="1", stack=None)
    with psycopg.connect(app_settings.postgres_dsn, options="-c redrive.role=admin") as operator:
        assert len(operator.execute("SELECT * FROM failed_operations").fetchall()) == 1
