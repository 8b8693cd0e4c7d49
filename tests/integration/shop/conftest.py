"""One database session for a test that needs no commit."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy.orm import Session

from models.connection import engine
from settings import Settings


@pytest.fixture
def session(app_settings: Settings) -> Iterator[Session]:
    """Rolled back at the end, so nothing is published either."""
    with Session(engine(), expire_on_commit=False) as session:
        yield session
        session.rollback()
