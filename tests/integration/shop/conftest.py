"""One database session for a test that needs no commit, and the API on the simulated Stripe."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from api.purchases import blueprint
from models.connection import engine
from settings import Settings
from simulator.control import SimulatorClient
from tasks.stripe_api import stripe_client
from tests.shop_api import Shop


@pytest.fixture
def session(app_settings: Settings) -> Iterator[Session]:
    """Rolled back at the end, so nothing is published either."""
    with Session(engine(), expire_on_commit=False) as session:
        yield session
        session.rollback()


@pytest.fixture
def client(app_environment: dict[str, str], simulator: SimulatorClient, request: pytest.FixtureRequest) -> Iterator[FlaskClient]:
    app_environment |= simulator.environment()
    request.getfixturevalue("app_settings")
    stripe_client.cache_clear()
    app = Flask(__name__)
    app.register_blueprint(blueprint)
    yield app.test_client()
    stripe_client.cache_clear()


@pytest.fixture
def shop(client: FlaskClient) -> Shop:
    return Shop(client)
