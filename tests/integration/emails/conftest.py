"""A simulated Resend, and promised notifications."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest

from models.connection import transaction
from settings import Settings
from simulator.control import SimulatorClient, start_simulator
from tasks.emails.enqueueing import enqueue

Promise = Callable[..., UUID]


@pytest.fixture(scope="session")
def simulator_process() -> Iterator[SimulatorClient]:
    with start_simulator() as client:
        yield client


@pytest.fixture
def mail_server(simulator_process: SimulatorClient, app_environment: dict[str, str]) -> SimulatorClient:
    """A Resend that behaves well until it is told otherwise; the product under test uses it."""
    simulator_process.reset()
    app_environment.update(simulator_process.environment())
    return simulator_process


@pytest.fixture
def promise(mail_server: SimulatorClient, app_settings: Settings) -> Promise:
    """``promise("welcome", {"name": "Ada"})``: a committed notification."""
    count = 0

    def committed(kind: str = "welcome", payload: dict[str, Any] | None = None, *, to: str = "ada@example.com", **more: Any) -> UUID:
        nonlocal count
        count += 1
        with transaction() as session:
            return enqueue(session, kind, to, payload or {}, dedupe_key=more.pop("dedupe_key", f"{kind}/{count}"), **more)

    return committed
