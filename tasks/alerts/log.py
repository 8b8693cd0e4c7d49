"""``log``: one line in the process's own log, so that an alert is never nowhere; used alone when no other channel is configured."""

from __future__ import annotations

import logging

import structlog

from settings import Settings
from tasks.alerts import Announcement, Channel, register

log = structlog.get_logger()

LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR, "critical": logging.CRITICAL}


def tell(alert: Announcement, _settings: Settings) -> None:
    """Write it at its own level."""
    level = logging.INFO if alert.over else LEVELS[alert.level]
    log.log(level, "alert.over" if alert.over else "alert.opened", key=alert.key, kind=alert.kind, summary=alert.summary)


LOG = register(Channel("log", lambda _settings: True, tell))
