"""Work rows: the one owner of every state transition (claim, finish, retry later, defer, give up, redrive).

A work row is ``pending`` until somebody claims it, ``running`` while a lease is held, and then finished for good in a
status of its table's own (``processed``, ``sent``, ``failed``, ...). Each transition is one SQL statement whose WHERE
clause decides, so it is right under any interleaving; the clock is PostgreSQL's alone. A claim returns a fencing token,
and only the holder of the newest token can end the attempt.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, TextClause, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.storable import storable_text

MAX_CRASHES = 5  # claims in a row that ended without an outcome: the row kills its workers and is poison
SWEEP_AGAIN = timedelta(seconds=55)  # how long a published row may wait in its queue before the sweep publishes it once more
EARLY = timedelta(milliseconds=500)  # a message may come this much before its row is due: two machines' clocks differ

# Parts of every statement that claims rows, and of every one that ends attempts with an outcome (also those for many rows at once).
CLAIMED = (
    "status = 'running', attempts = attempts + 1, crashes = crashes + 1, lease_token = lease_token + 1, lease_holder = :holder,"
    " lease_expires_at = now() + :lease, sweep_at = now() + :lease"
)
ENDED = "crashes = 0, lease_expires_at = NULL, lease_holder = NULL"

Executor = Connection | Session


class WorkRow:
    """The columns that make a table's rows work (a mixin for mapped classes)."""

    status: Mapped[str] = mapped_column(server_default=text("'pending'"))
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    crashes: Mapped[int] = mapped_column(server_default=text("0"))
    next_attempt_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    sweep_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    redrives: Mapped[int] = mapped_column(server_default=text("0"))
    lease_token: Mapped[int] = mapped_column(server_default=text("0"))
    lease_expires_at: Mapped[datetime | None]
    lease_holder: Mapped[str | None]
    last_error: Mapped[str | None]
    finished_at: Mapped[datetime | None]


class LeaseLostError(Exception):
    """Another worker has claimed the row since, or it was finished; this attempt's result must not be stored."""


@dataclass(frozen=True)
class Claim:
    """The right to end one attempt: ``token`` fences it, ``attempts`` counts this one (from 1), ``crashes`` those without outcome."""

    id: UUID
    token: int
    attempts: int
    crashes: int
    redrives: int


class Standing(NamedTuple):
    """How far a row has come, and whether what it was about has been erased since."""

    status: str
    erased: bool


@dataclass(frozen=True)
class WorkTable:
    """The transitions of one table of work rows; every method takes a connection and leaves the commit to its caller."""

    name: str

    def claim(self, connection: Executor, row_id: UUID, *, holder: str, lease: timedelta) -> Claim | None:
        """Take the row if it is due and free; None if it is finished, held by somebody, or not due yet."""
        row = connection.execute(
            self._statement(
                """
                UPDATE {table} SET {claimed}
                WHERE id = :id AND crashes < :max_crashes
                  AND ((status = 'pending' AND next_attempt_at <= now() + :early)
                    OR (status = 'running' AND lease_expires_at <= now()))
                RETURNING id, lease_token, attempts, crashes - 1, redrives
                """
            ),
            {"id": row_id, "holder": holder, "lease": lease, "max_crashes": MAX_CRASHES, "early": EARLY},
        ).one_or_none()
        return Claim(*row) if row else None

    def hold(self, connection: Executor, claim: Claim) -> None:
        """Lock the row for the rest of this transaction, so that nobody can claim it before the commit decides."""
        held = connection.execute(
            self._statement("SELECT 1 FROM {table} WHERE id = :id AND status = 'running' AND lease_token = :token FOR UPDATE"),
            {"id": claim.id, "token": claim.token},
        ).one_or_none()
        if held is None:
            raise LeaseLostError(f"{self.name} {claim.id}: lease {claim.token} was lost")

    def finish(self, connection: Executor, claim: Claim, status: str, *, note: str | None = None) -> None:
        """End the row for good in ``status``; raises ``LeaseLostError`` if the claim is no longer the newest."""
        self._end_attempt(connection, claim, "status = :status, finished_at = now()", status=status, error=note)

    def retry_later(self, connection: Executor, claim: Claim, *, delay: timedelta, error: str, grace: timedelta) -> None:
        """Wait ``delay`` for the next attempt; the sweep looks ``grace`` after that, in case no message comes."""
        self._end_attempt(
            connection,
            claim,
            "status = 'pending', next_attempt_at = now() + :delay, sweep_at = now() + :delay + :grace",
            delay=delay,
            error=error,
            grace=grace,
        )

    def defer(self, connection: Executor, claim: Claim, *, delay: timedelta, reason: str) -> None:
        """Wait without counting an attempt: the row was not tried, a limit or a quota said not yet."""
        self._end_attempt(
            connection,
            claim,
            "status = 'pending', attempts = attempts - 1, next_attempt_at = now() + :delay, sweep_at = now() + :delay",
            delay=delay,
            error=reason,
        )

    def give_up(self, connection: Executor, row_id: UUID, *, error: str, token: int | None = None, task_id: str | None = None) -> bool:
        """Mark the row ``failed`` if the attempt that failed is still the newest, and nobody has ended it; True if so.

        The attempt is named by its token, or, where only Celery's parent process knows of it, by its task. With neither, nobody
        may be working on the row.
        """
        result = connection.execute(
            self._statement(
                """
                UPDATE {table}
                SET status = 'failed', finished_at = now(), lease_expires_at = NULL, lease_holder = NULL, last_error = :error,
                    lease_token = lease_token + 1
                WHERE id = :id AND CASE
                    WHEN CAST(:token AS bigint) IS NOT NULL THEN status = 'running' AND lease_token = :token
                    WHEN CAST(:task_id AS text) IS NOT NULL THEN status = 'running' AND starts_with(lease_holder, :task_id)
                    ELSE status = 'pending' OR (status = 'running' AND lease_expires_at <= now()) END
                RETURNING id
                """
            ),
            {"id": row_id, "token": token, "task_id": task_id, "error": storable_text(error)},
        )
        return result.one_or_none() is not None

    def fail_afterwards(self, connection: Executor, row_id: UUID, *, ended_as: str, error: str) -> bool:
        """A row that had ended well did not: what it handed over was refused later. False if it has not ended as ``ended_as``."""
        result = connection.execute(
            self._statement(
                """
                UPDATE {table} SET status = 'failed', finished_at = now(), last_error = :error
                WHERE id = :id AND status = :ended_as
                RETURNING id
                """
            ),
            {"id": row_id, "ended_as": ended_as, "error": storable_text(error)},
        )
        return result.one_or_none() is not None

    def redrive(self, connection: Executor, row_id: UUID) -> bool:
        """Make a failed row pending again with a fresh count of attempts. False if it is not failed."""
        result = connection.execute(
            self._statement(
                """
                UPDATE {table}
                SET status = 'pending', attempts = 0, crashes = 0, redrives = redrives + 1,
                    next_attempt_at = now(), sweep_at = now(), finished_at = NULL
                WHERE id = :id AND status = 'failed'
                RETURNING id
                """
            ),
            {"id": row_id},
        )
        return result.one_or_none() is not None

    def standing(self, connection: Executor, row_id: UUID) -> Standing | None:
        """The row's status, locked until the transaction ends; None if it does not exist."""
        sql = "SELECT status, erased_at IS NOT NULL AS erased FROM {table} WHERE id = :id FOR UPDATE"
        row = connection.execute(self._statement(sql), {"id": row_id}).one_or_none()
        return Standing(*row) if row else None

    def expire_lease(self, connection: Executor, row_id: UUID, *, holder: str) -> bool:
        """Free the row of a holder that is known to be dead, so that nobody waits for its lease to run out."""
        result = connection.execute(
            self._statement(
                """
                UPDATE {table} SET lease_expires_at = now(), sweep_at = now()
                WHERE id = :id AND status = 'running' AND lease_holder = :holder
                RETURNING id
                """
            ),
            {"id": row_id, "holder": holder},
        )
        return result.one_or_none() is not None

    def due(self, connection: Executor, *, limit: int, besides: str = "false") -> list[UUID]:
        """Overdue rows that nobody works on, oldest first, without those that fit ``besides``; each is not returned again for a while."""
        rows = connection.execute(
            self._statement(
                """
                UPDATE {table} SET sweep_at = now() + :again
                WHERE id IN (
                    SELECT id FROM {table}
                    WHERE status IN ('pending', 'running') AND sweep_at <= now() AND crashes < :max_crashes AND NOT ({besides})
                    ORDER BY sweep_at LIMIT :limit FOR UPDATE SKIP LOCKED)
                RETURNING id, next_attempt_at
                """.replace("{besides}", besides)
            ),
            {"limit": limit, "again": SWEEP_AGAIN, "max_crashes": MAX_CRASHES},
        )
        return [row.id for row in sorted(rows, key=lambda row: row.next_attempt_at)]

    def poisoned(self, connection: Executor, *, limit: int) -> list[tuple[UUID, int]]:
        """Rows whose last ``MAX_CRASHES`` claims all ended without an outcome, with their newest tokens; the caller buries them."""
        rows = connection.execute(
            self._statement(
                """
                SELECT id, lease_token FROM {table}
                WHERE status = 'running' AND sweep_at <= now() AND lease_expires_at <= now() AND crashes >= :max_crashes
                ORDER BY sweep_at LIMIT :limit FOR UPDATE SKIP LOCKED
                """
            ),
            {"limit": limit, "max_crashes": MAX_CRASHES},
        )
        return [(row.id, row.lease_token) for row in rows]

    def attempts(self, connection: Executor, row_id: UUID) -> int:
        """How many attempts the row has had since it was made or redriven."""
        return int(connection.execute(self._statement("SELECT attempts FROM {table} WHERE id = :id"), {"id": row_id}).scalar_one())

    def _end_attempt(self, connection: Executor, claim: Claim, change: str, *, error: str | None, **values: Any) -> None:
        ended = connection.execute(
            self._statement(
                "UPDATE {table} SET " + change + ", {ended}, last_error = :error"  # noqa: S608 - nothing comes from outside
                " WHERE id = :id AND status = 'running' AND lease_token = :token RETURNING id"
            ),
            {"id": claim.id, "token": claim.token, "error": error and storable_text(error), **values},
        ).one_or_none()
        if ended is None:
            raise LeaseLostError(f"{self.name} {claim.id}: lease {claim.token} was lost")

    def _statement(self, sql: str) -> TextClause:
        return text(sql.replace("{table}", self.name).replace("{claimed}", CLAIMED).replace("{ended}", ENDED))
