"""The work rows of a test as PostgreSQL holds them, and a way to let time pass for them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, Row, text

SEE = text(
    "SELECT id, status, attempts, crashes, lease_token AS token, redrives, lease_holder AS holder, finished_at IS NULL AS unfinished,"
    " extract(epoch FROM next_attempt_at - clock_timestamp())::float8 AS due_in,"
    " extract(epoch FROM sweep_at - clock_timestamp())::float8 AS sweep_in,"
    " extract(epoch FROM lease_expires_at - clock_timestamp())::float8 AS lease_left FROM webhook_events"
)
PROMISE = text(
    "INSERT INTO webhook_events (provider, provider_event_id, event_type, body)"
    " VALUES ('stripe', gen_random_uuid()::text, 'test', '') RETURNING id"
)
PASS = text(
    "UPDATE webhook_events SET next_attempt_at = next_attempt_at - make_interval(secs => :by),"
    " sweep_at = sweep_at - make_interval(secs => :by), lease_expires_at = lease_expires_at - make_interval(secs => :by)"
)


class StoredRows:
    """An empty table, changed over one connection that commits at once and waits for no lock."""

    def __init__(self, database: Engine) -> None:
        self.connection = database.connect().execution_options(isolation_level="AUTOCOMMIT")
        self.connection.execute(text("SET lock_timeout = '3ms'"))
        self.connection.execute(text("SET synchronous_commit = off"))  # nobody pulls the plug here, and a step takes a tenth
        self.connection.execute(text("DELETE FROM webhook_events"))

    def promise(self) -> UUID:
        return UUID(str(self.connection.execute(PROMISE).scalar_one()))

    def pass_time(self, seconds: float) -> None:
        """Shift every time into the past."""
        self.connection.execute(PASS, {"by": seconds})

    def all(self) -> Iterable[Row[Any]]:
        return self.connection.execute(SEE)
