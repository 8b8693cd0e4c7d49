"""Beat that may run twice: the instance that holds a PostgreSQL advisory lock schedules, the others stand by.

Celery Beat has no lock of its own, and two of them send every task twice. The lock belongs to a database session, so it ends with
the process that holds it, whatever killed it, and a standby takes over at its next try.
"""

from __future__ import annotations

import time
from typing import Any

import psycopg
import structlog
from celery.beat import PersistentScheduler

from models.connection import connect_directly

log = structlog.get_logger()

LEADER_LOCK = 0x7265_6462
ASK_AGAIN_SECONDS = 2.0  # how often a standby tries, and so how long a takeover takes
CHECK_SECONDS = 5.0  # how long the leader trusts its session before it looks whether it is still there


class LeaderScheduler(PersistentScheduler):  # type: ignore[misc]  # Celery ships no types
    """Celery's scheduler, ticking only while this process leads (option ``beat_scheduler``)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._session: psycopg.Connection[Any] | None = None
        self._leads_until = 0.0
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Run what is due if this process leads; returns the seconds until the next tick."""
        if not self._leads():
            return ASK_AGAIN_SECONDS
        return min(super().tick(*args, **kwargs) or 0.0, CHECK_SECONDS)

    def close(self) -> None:
        """Stop, and let another lead at once."""
        super().close()
        self._drop_session()

    def _leads(self) -> bool:
        if time.monotonic() < self._leads_until:
            return True
        try:
            leads = self._ask()
        except psycopg.Error as error:
            log.warning("beat.database_away", error=type(error).__name__)
            self._drop_session()
            return False
        if leads:
            self._leads_until = time.monotonic() + CHECK_SECONDS
        return leads

    def _ask(self) -> bool:
        if self._session is None:
            # A connection of its own, straight to the server: the lock lives as long as this session does.
            self._session = connect_directly()
        was_leader = self._leads_until > 0
        # For the session that holds the lock already, this only counts it up; one unlock at the session's end frees all.
        row = self._session.execute("SELECT pg_try_advisory_lock(%s)", (LEADER_LOCK,)).fetchone()
        leads = bool(row and row[0])
        if leads and not was_leader:
            log.info("beat.leads")
        return leads

    def _drop_session(self) -> None:
        if self._session is not None:
            self._session.close()
        self._session, self._leads_until = None, 0.0
