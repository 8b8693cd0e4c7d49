"""The base of the scheduled tasks: what a sweep misses, the next one finds, so an outage is logged and not a failure."""

from __future__ import annotations

from typing import Any

import psycopg
import redis
import structlog
from sqlalchemy.exc import OperationalError

from models.connection import transaction
from models.heartbeats import beat
from tasks.errors import ProviderAway
from tasks.worker.hardening import HardenedTask

log = structlog.get_logger()

AWAY = (OperationalError, psycopg.OperationalError, redis.ConnectionError, redis.TimeoutError, ProviderAway)


class Sweep(HardenedTask):
    """An idempotent task that Beat starts again soon; every success leaves a heartbeat with what it reported."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the sweep; None if the database, the broker or a provider is away."""
        try:
            report = super().__call__(*args, **kwargs)
            with transaction() as session:
                beat(session, self.name, report if isinstance(report, dict) else {"result": report})
        except AWAY as away:
            log.warning("sweep.skipped", task=self.name, error=type(away).__name__)
            return None
        return report
