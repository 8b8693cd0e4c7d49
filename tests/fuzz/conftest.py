"""A real web process to throw things at, and what it stored."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import psutil
import psycopg
import pytest
from hypothesis import HealthCheck, settings

from settings import Settings
from tests.fixtures.processes import ProcfileProcess, ProcfileProcessFactory

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "60"))
LONGEST_GROWTH = 40_000_000  # bytes of memory that a web process may take more after all that was thrown at it

settings.register_profile(
    "fuzz",
    max_examples=EXAMPLES,
    deadline=None,  # a busy machine is no failure
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


@pytest.fixture(autouse=True)
def _profile() -> Iterator[None]:
    before = settings.get_current_profile_name()
    settings.load_profile("fuzz")
    yield
    settings.load_profile(before)


@pytest.fixture
def web(procfile_process: ProcfileProcessFactory) -> ProcfileProcess:
    """The Procfile's web process."""
    return procfile_process("web")


@pytest.fixture
def stored(app_settings: Settings) -> Iterator[Callable[[], int]]:
    """How many events are stored now."""
    with psycopg.connect(app_settings.postgres_dsn, autocommit=True) as connection:
        yield lambda: connection.execute("SELECT count(*) FROM webhook_events").fetchall()[0][0]


def memory(web: ProcfileProcess) -> int:
    """Bytes of memory that the web workers hold together."""
    return sum(process.memory_info().rss for process in web.family() if process.status() != psutil.STATUS_ZOMBIE)
