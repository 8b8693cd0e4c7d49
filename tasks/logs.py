"""How every process writes its log: lines for people in development, JSON in production, and never an address or a secret.

What foreign libraries log goes through the same formatter. One wide line for each attempt says what Celery's own pair of lines
("received", "succeeded") would; those, and Beat's line for each sweep that it sends, are shown at level DEBUG only.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Any, TextIO

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

from settings import Settings, get_settings
from tasks.redaction import Redactor

SAID_BY_THE_ATTEMPT = ("celery.app.trace", "celery.worker.strategy")
TALKATIVE = ("stripe", "urllib3", "alembic")
SENT_BY_BEAT = "Scheduler: Sending due task"


def configure_logging(level: int = logging.INFO, *, settings: Settings | None = None, stream: TextIO | None = None) -> None:
    """Let this process log to ``stream`` (stderr); without settings for a person, and without knowing this deployment's own secrets."""
    target = stream or sys.stderr
    before = _shared(settings)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *before, ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,  # a worker's children are forked after this, tests configure twice
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[ProcessorFormatter.remove_processors_meta, _renderer(settings, target)],
        )
    )
    if level > logging.DEBUG:
        handler.addFilter(lambda record: not (record.name == "celery.beat" and str(record.msg).startswith(SENT_BY_BEAT)))
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in SAID_BY_THE_ATTEMPT:
        logging.getLogger(name).setLevel(logging.WARNING if level == logging.INFO else level)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def on_celery_start(loglevel: int | str | None = None, **_: Any) -> None:
    """Answer Celery's signal ``setup_logging``: it then leaves the logs of its programs alone."""
    level = logging.getLevelNamesMapping().get(loglevel) if isinstance(loglevel, str) else loglevel
    configure_logging(level or logging.INFO, settings=get_settings())


def _shared(settings: Settings | None) -> Sequence[Processor]:
    """What is done to every entry, whoever wrote it; the last word belongs to redaction."""
    for_programs = settings is not None and settings.production
    stamp = structlog.processors.TimeStamper(fmt="iso") if for_programs else structlog.processors.TimeStamper("%H:%M:%S", utc=False)
    redactor = Redactor.knowing(settings) if settings else Redactor()
    return (
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        stamp,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _in_order,
        redactor.entry,
    )


def _in_order(_logger: WrappedLogger, _method: str, entry: EventDict) -> EventDict:
    """An attempt without an error has none to name; what every entry has stands first."""
    first = {name: entry.get(name) for name in ("timestamp", "level", "event", "logger")}
    return {name: value for name, value in {**first, **entry}.items() if value is not None}


def _renderer(settings: Settings | None, target: TextIO) -> Processor:
    if settings is not None and settings.production:
        return structlog.processors.JSONRenderer(default=str)
    return structlog.dev.ConsoleRenderer(colors=target.isatty(), exception_formatter=structlog.dev.plain_traceback)
