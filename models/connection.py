"""How a process reaches PostgreSQL: one engine per process, short timeouts, sessions that commit or roll back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import Any

import psycopg
from sqlalchemy import Engine, create_engine, func, select
from sqlalchemy.orm import Session

from settings import get_settings

# A hung server must not hold a worker for longer than its lease, nor a web request for longer than a person waits.
# These are libpq's own words; pgbouncer in transaction mode ignores what it does not know.
CONNECT_ARGUMENTS: dict[str, Any] = {
    "connect_timeout": 3,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "application_name": "redrive",
    "options": "-c statement_timeout=20s -c lock_timeout=10s -c idle_in_transaction_session_timeout=60s"
    " -c client_connection_check_interval=1s"  # the statement of a killed worker ends, and its locks with it
    " -c redrive.role=service",
}


@cache
def engine() -> Engine:
    """The engine of this process; ``forget_engine`` must run in a forked child before its first query."""
    return create_engine(
        get_settings().database_url,
        connect_args=CONNECT_ARGUMENTS,
        hide_parameters=True,  # an error's message reaches the logs, and parameters hold addresses and bodies
        pool_pre_ping=True,  # a restarted PostgreSQL costs one reconnect instead of one failed attempt
        pool_size=5,
        max_overflow=10,
        pool_timeout=5,
    )


def connect_directly() -> psycopg.Connection[Any]:
    """An autocommit connection outside the pool: one statement is one durable commit."""
    return psycopg.connect(get_settings().postgres_dsn, autocommit=True, **CONNECT_ARGUMENTS)


def forget_engine() -> None:
    """Drop the parent's sockets without closing them: they are shared with it after a fork."""
    if engine.cache_info().currsize:
        engine().dispose(close=False)
        engine.cache_clear()


@contextmanager
def transaction(*, patience: timedelta | None = None) -> Iterator[Session]:
    """A session whose work is committed at the end of the block, or rolled back if the block raises.

    ``patience`` is how long a statement may wait for another's lock, where that has to be shorter than usual.
    """
    with Session(engine(), expire_on_commit=False) as session, session.begin():
        if patience is not None:
            session.execute(select(func.set_config("lock_timeout", f"{patience.total_seconds() * 1000:.0f}ms", True)))  # noqa: FBT003
        yield session
