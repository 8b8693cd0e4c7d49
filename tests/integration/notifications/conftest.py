"""The API as a shop's own backend calls it, and another application on the same database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from settings import Settings
from simulator.control import SimulatorClient
from tests.fixtures.wsgi import fresh_wsgi_app
from tests.notifications_api import NotificationsApi


@pytest.fixture
def api(mail_server: SimulatorClient, app_settings: Settings) -> Iterator[NotificationsApi]:
    with fresh_wsgi_app() as app:
        yield NotificationsApi(app.test_client())


@pytest.fixture
def shop(app_settings: Settings) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """Another application on the same database, which knows nothing of Redrive but its SQL."""
    with psycopg.connect(app_settings.postgres_dsn, autocommit=True, row_factory=dict_row) as connection:
        yield connection


@pytest.fixture
def admin(mail_server: SimulatorClient, app_settings: Settings) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """An operator's connection, which sees failed operations."""
    options = "-c redrive.role=admin"
    with psycopg.connect(app_settings.postgres_dsn, autocommit=True, row_factory=dict_row, options=options) as connection:
        yield connection
