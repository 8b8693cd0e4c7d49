"""The receiver in this process, and what it stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from flask.testing import FlaskClient
from psycopg.rows import dict_row

from settings import Settings
from tests.fixtures.wsgi import fresh_wsgi_app

Row = dict[str, Any]


@pytest.fixture
def client(app_settings: Settings) -> Iterator[FlaskClient]:
    with fresh_wsgi_app() as app:
        yield app.test_client()


@pytest.fixture
def rows(app_settings: Settings) -> Iterator[Callable[[], list[Row]]]:
    with psycopg.connect(app_settings.postgres_dsn, autocommit=True, row_factory=dict_row) as connection:
        yield lambda: connection.execute("SELECT * FROM webhook_events ORDER BY received_at").fetchall()
