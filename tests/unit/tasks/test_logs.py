from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from settings import DEVELOPMENT_SECRETS, Settings
from tasks.logs import configure_logging

SERVERS = {"DATABASE_URL": "postgres://127.0.0.1/redrive", "REDIS_URL": "redis://127.0.0.1", "EMAIL_FROM": "shop@example.com"}


@pytest.fixture
def production() -> Settings:
    own = {name: f"own-{name}" for name in DEVELOPMENT_SECRETS} | {"RESEND_WEBHOOK_SECRET": "whsec_b3duLXNlY3JldA=="}
    return Settings.from_environment(SERVERS | {"REDRIVE_ENV": "production"} | own)


@pytest.fixture
def development() -> Settings:
    return Settings.from_environment(SERVERS)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {
        name: logging.getLogger(name).level for name in ("celery.app.trace", "celery.worker.strategy", "stripe", "urllib3", "alembic")
    }
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, was in levels.items():
        logging.getLogger(name).setLevel(was)
    structlog.reset_defaults()


def test_production_writes_one_json_object_a_line_whoever_speaks(production: Settings) -> None:
    stream = io.StringIO()
    configure_logging(settings=production, stream=stream)

    structlog.get_logger("tasks.mail.sending").info("email.attempted", attempt=1, error=None)
    logging.getLogger("some.library").warning("to %s", "a@example.com")
    try:
        raise ValueError("b@example.com")  # noqa: TRY301
    except ValueError:
        logging.getLogger("some.library").exception("it failed")

    attempt, warning, failure = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert list(attempt)[:4] == ["timestamp", "level", "event", "logger"]
    assert (attempt["event"], attempt["attempt"], "error" in attempt) == ("email.attempted", 1, False)
    assert (warning["level"], warning["event"], warning["logger"]) == ("warning", "to [address]", "some.library")
    assert "ValueError: [address]" in failure["exception"]


def test_development_writes_lines_for_people(development: Settings) -> None:
    stream = io.StringIO()
    configure_logging(settings=development, stream=stream)
    structlog.get_logger("tasks.mail.sending").info("email.attempted", attempt=1)
    assert "email.attempted" in stream.getvalue()
    assert "attempt=1" in stream.getvalue()


@pytest.mark.parametrize(("level", "shown"), [(logging.INFO, False), (logging.DEBUG, True)])
def test_lines_that_an_attempts_own_line_replaces_are_for_debugging_only(development: Settings, level: int, shown: bool) -> None:
    stream = io.StringIO()
    configure_logging(level, settings=development, stream=stream)
    logging.getLogger("celery.worker.strategy").info("Task received")
    logging.getLogger("celery.app.trace").info("Task succeeded")
    logging.getLogger("celery.beat").info("Scheduler: Sending due task %s (%s)", "a-sweep", "tasks.a_sweep")
    assert ("Task received" in stream.getvalue()) is shown
    assert ("Task succeeded" in stream.getvalue()) is shown
    assert ("Sending due task" in stream.getvalue()) is shown


def test_errors_of_those_loggers_are_always_shown(development: Settings) -> None:
    stream = io.StringIO()
    configure_logging(settings=development, stream=stream)
    logging.getLogger("celery.app.trace").error("Task raised unexpected")
    logging.getLogger("celery.beat").info("beat: Starting...")
    assert "Task raised unexpected" in stream.getvalue()
    assert "beat: Starting..." in stream.getvalue()
