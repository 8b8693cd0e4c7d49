"""Workers in SQL and in Python on the same notifications, in any order: the queue's functions against the model of work rows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from models.notifications import NOTIFICATIONS as TABLE
from models.work import Claim, LeaseLostError
from tests.integration.engine.work_model import GRACE, LEASE, Model, ModelRow

MAX_ATTEMPTS = 3
CLAIM = text("SELECT id, token, attempt, crashes, redrives FROM get_queued_notifications(:limit, make_interval(secs => :lease), :worker)")
UPDATE = text(
    "SELECT update_notification_status(:id, :token, :status, :message, 'Boom: it broke', make_interval(secs => :delay), :most_attempts)"
)
TIMES = ("next_attempt_at", "sweep_at", "lease_expires_at", "created_at", "outcome_unknown_at")
STORED = text(
    "SELECT id, status, attempts, crashes, lease_token, redrives, lease_holder, outcome_unknown_at IS NOT NULL AS unknown,"
    " extract(epoch FROM next_attempt_at - clock_timestamp())::float8 AS due_in,"
    " extract(epoch FROM sweep_at - clock_timestamp())::float8 AS sweep_in,"
    " extract(epoch FROM lease_expires_at - clock_timestamp())::float8 AS lease_left,"
    " (SELECT count(*) FROM failed_operations f WHERE f.operation_id = n.id AND f.resolved_at IS NULL) AS failures,"
    " (SELECT array_agg(event ORDER BY occurred_at) FROM notification_event_logs l WHERE l.notification_id = n.id) AS log"
    " FROM notifications n"
)
seconds = st.sampled_from([10.0, 30.0, LEASE, 1000.0])
statuses = st.sampled_from(["sent", "sent", "retry", "retry", "deferred", "failed", "suppressed", "dropped", "cancelled"])


class NotificationQueue(RuleBasedStateMachine):
    """Each rule does the same to PostgreSQL and to the model; what they answer, and what is left, must be equal."""

    claims = Bundle("claims")

    def __init__(self, database: Engine) -> None:
        super().__init__()
        self.connection = database.connect().execution_options(isolation_level="AUTOCOMMIT")
        self.connection.execute(text("SET synchronous_commit = off"))  # nobody pulls the plug here
        self.connection.execute(text("DELETE FROM failed_operations"))
        self.connection.execute(text("DELETE FROM notifications"))
        self.model = Model()
        self.unknown: set[UUID] = set()
        self.logs: dict[UUID, list[str]] = {}
        self.failures: set[UUID] = set()

    def teardown(self) -> None:
        self.connection.close()

    @initialize()
    def a_few_are_queued(self) -> None:
        for _ in range(3):
            self.an_email_is_queued()

    @rule()
    def an_email_is_queued(self) -> None:
        found = self.connection.execute(text("SELECT queue_notification('welcome', 'ada@example.com')")).scalar_one()
        self.model.rows[found] = ModelRow(found, self.model.now, self.model.now)
        self.logs[found] = ["queued"]

    @rule(limit=st.integers(1, 3), wait=st.sampled_from([0.0, 1000.0]), status=statuses, delay=seconds, from_sql=st.booleans())
    def a_worker_does_its_work(self, limit: int, wait: float, status: str, delay: float, *, from_sql: bool) -> None:
        self.time_passes(wait)
        for claim in self._claim_by_sql(limit):
            self.an_attempt_ends(claim, status, delay, from_sql=from_sql)

    @rule(target=claims, limit=st.integers(0, 3))
    def a_worker_takes_its_time(self, limit: int) -> Any:
        return multiple(*self._claim_by_sql(limit))

    def _claim_by_sql(self, limit: int) -> list[Claim]:
        claimable = {row.id for row in self.model.rows.values() if row.claimable(self.model.now)}
        rows = self.connection.execute(CLAIM, {"limit": limit, "lease": LEASE, "worker": "sql-worker"}).all()
        assert {row.id for row in rows} <= claimable
        assert len(rows) == min(limit, len(claimable))
        for row in rows:
            model = self.model.rows[row.id]
            model.claim(self.model.now, "sql-worker")
            self.unknown.add(row.id)
            assert Claim(*row) == Claim(row.id, model.token, model.attempts, model.crashes - 1, model.redrives)
        return [Claim(*row) for row in rows]

    @rule(target=claims, position=st.integers(0, 3))
    def python_claims(self, position: int) -> Any:
        row = self._row(position)
        if row is None:
            return multiple()
        claim = TABLE.claim(self.connection, row.id, holder="python-worker", lease=timedelta(seconds=LEASE))
        assert (claim is not None) == row.claimable(self.model.now)
        if claim is None:
            return multiple()
        row.claim(self.model.now, "python-worker")
        return claim

    @rule(claim=claims, status=statuses, delay=seconds, from_sql=st.booleans())
    def an_attempt_ends(self, claim: Claim, status: str, delay: float, *, from_sql: bool) -> None:
        """Whoever claimed the row, either side may end it: the token is all that counts."""
        row = self.model.rows[claim.id]
        newest = row.newest(claim)
        if not (self._end_by_sql if from_sql else self._end_by_python)(claim, status, delay):
            assert not newest
            return
        assert newest
        self._model_end(row, status, delay, from_sql=from_sql)

    def _end_by_sql(self, claim: Claim, status: str, delay: float) -> bool:
        values = {"id": claim.id, "token": claim.token, "status": status, "message": "re_1", "delay": delay, "most_attempts": MAX_ATTEMPTS}
        try:
            reached = self.connection.execute(UPDATE, values).scalar_one()
        except DBAPIError as error:
            assert getattr(error.orig, "sqlstate", None) == "RD001"  # noqa: PT017 - one of two ways is right
            return False
        used_up = status == "retry" and claim.attempts >= MAX_ATTEMPTS
        assert reached == ("failed" if used_up else {"retry": "pending", "deferred": "pending"}.get(status, status))
        return True

    def _end_by_python(self, claim: Claim, status: str, delay: float) -> bool:
        pause, grace = timedelta(seconds=delay), timedelta(seconds=GRACE)
        try:
            match status:
                case "retry":
                    TABLE.retry_later(self.connection, claim, delay=pause, error="no", grace=grace)
                case "deferred":
                    TABLE.defer(self.connection, claim, delay=pause, reason="not yet")
                case "failed":
                    return TABLE.give_up(self.connection, claim.id, error="dead", token=claim.token)
                case _:
                    TABLE.finish(self.connection, claim, status)
        except LeaseLostError:
            return False
        return True

    def _model_end(self, row: ModelRow, status: str, delay: float, *, from_sql: bool) -> None:
        if from_sql:
            self._model_sql_traces(row, status)
        if status == "failed" or (status == "retry" and from_sql and row.attempts >= MAX_ATTEMPTS):
            row.end("failed") if from_sql else row.give_up()
        elif status in {"retry", "deferred"}:
            row.wait(self.model.now, delay, counted=status == "retry")
            if from_sql:
                row.sweep_at = row.due_at
        else:
            row.end(status)

    def _model_sql_traces(self, row: ModelRow, status: str) -> None:
        """What only SQL's way leaves behind: the log, the failed operation, and whether the outcome is known."""
        dead = status == "failed" or (status == "retry" and row.attempts >= MAX_ATTEMPTS)
        tried = ["attempted"] if status in {"sent", "retry", "failed"} else [status]
        self.logs[row.id] += tried + (["sent"] if status == "sent" else []) + (["dead"] if dead else [])
        if status == "sent" or (status == "deferred" and row.attempts == 1):
            self.unknown.discard(row.id)
        if dead:
            self.failures.add(row.id)
        elif status not in {"retry", "deferred"} and row.redrives:
            self.failures.discard(row.id)

    @rule(position=st.integers(0, 3))
    def somebody_cancels(self, position: int) -> None:
        row = self._row(position)
        if row is None:
            return
        possible = row.status == "pending" and row.id not in self.unknown
        answer = self.connection.execute(text("SELECT cancel_notification(:id)"), {"id": row.id}).scalar_one()
        assert answer == (possible or row.status == "cancelled")
        if possible:
            row.status, row.token = "cancelled", row.token + 1
            self.logs[row.id].append("cancelled")

    @rule(position=st.integers(0, 3))
    def an_operator_redrives(self, position: int) -> None:
        row = self._row(position)
        if row is not None and TABLE.redrive(self.connection, row.id):
            row.redrive(self.model.now)

    @rule(by=seconds)
    def time_passes(self, by: float) -> None:
        self.model.added += by
        shifts = ", ".join(f"{name} = {name} - make_interval(secs => :by)" for name in TIMES)
        self.connection.execute(text(f"UPDATE notifications SET {shifts}"), {"by": by})

    @invariant()
    def both_say_the_same(self) -> None:
        for row in self.connection.execute(STORED):
            model = self.model.rows[row.id]
            assert (row.status, row.attempts, row.crashes) == (model.status, model.attempts, model.crashes)
            assert (row.redrives, row.lease_holder) == (model.redrives, model.holder)
            assert row.lease_token == model.token
            assert row.unknown == (row.id in self.unknown)
            assert row.failures == (row.id in self.failures)
            assert row.log == self.logs[row.id]
            if model.unfinished:
                for stored, modelled in ((row.due_in, model.due_at), (row.sweep_in, model.sweep_at), (row.lease_left, model.lease_ends_at)):
                    assert (stored is None) == (modelled is None)
                    assert stored is None or modelled is None or abs(stored - (modelled - self.model.now)) < 4

    def _row(self, position: int) -> ModelRow | None:
        rows = list(self.model.rows.values())
        return rows[position] if position < len(rows) else None
