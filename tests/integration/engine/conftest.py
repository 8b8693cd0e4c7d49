"""The Procfile's worker and beat with short times and scripted events, and the ledger that they work on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import dict_row

from settings import Settings
from tests.fixtures.processes import ProcfileProcess, ProcfileProcessFactory
from tests.integration.engine.ledger import Ledger

QUICK = {
    "CELERY_WORKER_INCLUDE": "tests.integration.engine.scripted_events",
    "LEASE_SECONDS": "3",
    "SWEEP_SECONDS": "0.5",
    "RETRY_UNIT_SECONDS": "0.02",
    "PUBLISH_GRACE_SECONDS": "0.5",
    "VISIBILITY_TIMEOUT_SECONDS": "4",
}


@pytest.fixture
def ledger(app_settings: Settings, tmp_path: Path) -> Iterator[Ledger]:
    """Events and their outcomes."""
    options = "-c redrive.role=admin"
    with psycopg.connect(app_settings.postgres_dsn, autocommit=True, row_factory=dict_row, options=options) as connection:
        yield Ledger(connection, tmp_path / "diary")


@pytest.fixture
def worker(procfile_process: ProcfileProcessFactory) -> Callable[..., ProcfileProcess]:
    """Start the Procfile's worker."""
    return lambda **env: procfile_process("worker", QUICK | env)


@pytest.fixture
def beat(procfile_process: ProcfileProcessFactory) -> Callable[..., ProcfileProcess]:
    """Start the Procfile's beat."""
    return lambda **env: procfile_process("beat", QUICK | env)
