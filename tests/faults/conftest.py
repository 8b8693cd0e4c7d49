"""The Procfile's processes with short times, a shop to send events to, and a stopwatch for how long a recovery takes.

``pytest tests/faults --product-times`` runs every fault with the times that the product has by default, which takes a few minutes
and is where the figures of ``docs/reliability.md`` come from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from time import monotonic

import psycopg
import pytest
from psycopg.rows import dict_row

from settings import Settings
from simulator.control import SimulatorClient
from tests.faults.storefront import Storefront
from tests.fixtures.processes import READY, ProcfileProcess, ProcfileProcessFactory
from tests.integration.engine.ledger import Ledger

SHORT_TIMES = {
    "LEASE_SECONDS": "3",
    "SWEEP_SECONDS": "0.5",
    "RETRY_UNIT_SECONDS": "0.1",
    "PUBLISH_GRACE_SECONDS": "0.5",
    "VISIBILITY_TIMEOUT_SECONDS": "4",
}
PROMISED_SECONDS = 60  # after the end of a fault, with the product's own times
BOUND_SECONDS = 30  # with the short ones, on a busy machine

Start = Callable[..., ProcfileProcess]
StartAll = Callable[..., list[ProcfileProcess]]
Measure = Callable[[str], AbstractContextManager[None]]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--product-times", action="store_true", help="run the faults with the product's own leases, pauses and timeouts")


@pytest.fixture(scope="session")
def product_times(pytestconfig: pytest.Config) -> bool:
    return bool(pytestconfig.getoption("--product-times", default=False))


@pytest.fixture
def bound(product_times: bool) -> float:
    """Within how many seconds everything has to be done again."""
    return PROMISED_SECONDS if product_times else BOUND_SECONDS


@pytest.fixture
def app_environment(app_environment: dict[str, str], simulator: SimulatorClient, product_times: bool) -> dict[str, str]:
    """This test's servers, its simulator, and short times."""
    return app_environment | simulator.environment() | ({} if product_times else SHORT_TIMES)


@pytest.fixture
def start(procfile_process: ProcfileProcessFactory) -> Start:
    """``start("worker", LEASE_SECONDS="2")``: one line of the Procfile, ready."""
    return lambda name, **env: procfile_process(name, env)


@pytest.fixture
def start_all(procfile_process: ProcfileProcessFactory) -> StartAll:
    """``start_all("web", "worker", "beat")``: several lines at once, each ready."""

    def begin(*names: str, **env: str) -> list[ProcfileProcess]:
        processes = [procfile_process(name, env, wait=False) for name in names]
        for process in processes:
            process.wait_for_log(READY[process.name])
        return processes

    return begin


@pytest.fixture
def shop(app_settings: Settings, simulator: SimulatorClient) -> Storefront:
    """Buyers who pay, and what came of it."""
    return Storefront(app_settings, simulator)


@pytest.fixture
def ledger(app_settings: Settings, tmp_path: Path) -> Iterator[Ledger]:
    """Scripted events (start the worker with ``CELERY_WORKER_INCLUDE=tests.integration.engine.scripted_events``)."""
    options = "-c redrive.role=admin"
    with psycopg.connect(app_settings.postgres_dsn, autocommit=True, row_factory=dict_row, options=options) as connection:
        yield Ledger(connection, tmp_path / "diary")


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Measure:
    """A stopwatch for one block; its seconds stand in the report and in the table at the end."""

    @contextmanager
    def stopwatch(what: str) -> Iterator[None]:
        begun = monotonic()
        yield
        record_property("recovery", (what, round(monotonic() - begun, 1)))

    return stopwatch


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for each recovery that was measured."""
    reports = terminalreporter.getreports("passed")
    found = [value for report in reports for name, value in report.user_properties if name == "recovery" and report.when == "call"]
    if found:
        terminalreporter.section("measured recoveries")
        for what, seconds in sorted(map(tuple, found)):
            terminalreporter.write_line(f"{seconds:6.1f} s  {what}")
