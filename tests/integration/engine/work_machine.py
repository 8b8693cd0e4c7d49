"""Workers, crashes, late messages and sweeps in any order, done to PostgreSQL and to the model alike."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, precondition, rule
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from models.webhook_events import WEBHOOK_EVENTS as TABLE
from models.work import Claim, LeaseLostError
from tests.integration.engine.stored_rows import StoredRows
from tests.integration.engine.work_model import GRACE, LEASE, Model, ModelRow

seconds = st.sampled_from([10.0, 30.0, LEASE, 1000.0])
workers = st.sampled_from(["worker-a", "worker-b"])
endings = st.sampled_from(["well", "to try again", "without a try", "for good", "by death"])
positions = st.sampled_from([0, 0, 0, 1])


class WorkRows(RuleBasedStateMachine):
    """Each rule does the same to PostgreSQL and to the model; what they answer, and what is left, must be equal.

    Time is moved by shifting every row's times into the past.
    """

    claims = Bundle("claims")

    def __init__(self, database: Engine) -> None:
        super().__init__()
        self.model = Model()
        self.stored = StoredRows(database)
        self.connection = self.stored.connection
        self.transactions: dict[Claim, Connection] = {}
        self.database = database

    def teardown(self) -> None:
        """Whatever happened, a healthy worker and the sweep bring every row to its end."""
        for transaction in self.transactions.values():
            transaction.close()
        self.everything_is_finished_in_the_end()
        self.connection.close()

    @rule(target=claims, position=positions, worker=workers, after=st.sampled_from([0.0, 0.0, 10.0, LEASE]))
    def a_message_arrives(self, position: int, worker: str, after: float) -> object:
        """Also a doubled, a late or a lost-and-found one: they are all the same."""
        row = self._row(position)
        self.time_passes(after)
        possible = row.claimable(self.model.now)
        if possible and row.locked:
            self._must_wait(lambda: self._claim(row, worker))
            return multiple()
        claim = self._claim(row, worker)
        assert (claim is not None) == possible
        if claim is None:
            return multiple()
        row.claim(self.model.now, worker)
        assert claim == Claim(row.id, row.token, row.attempts, row.crashes - 1, row.redrives)
        assert row.attempts <= row.claims
        return claim

    @rule(target=claims, position=positions, worker=workers, how=endings, delay=seconds)
    def a_worker_is_taken_for_dead_and_wakes_up(self, position: int, worker: str, how: str, delay: float) -> object:
        claim = self.a_message_arrives(position, worker, LEASE)
        successor = self.a_message_arrives(position, worker, LEASE)
        if isinstance(claim, Claim):
            self.an_attempt_ends(claim, how, delay)
        return successor

    @rule(claim=claims, how=endings, delay=seconds)
    def an_attempt_ends(self, claim: Claim, how: str, delay: float) -> None:
        row, pause, grace = self.model.rows[claim.id], timedelta(seconds=delay), timedelta(seconds=GRACE)
        match how:
            case "well":
                if self._ends(claim, lambda connection: TABLE.finish(connection, claim, "processed")):
                    row.end("processed")
            case "to try again":
                if self._ends(claim, lambda connection: TABLE.retry_later(connection, claim, delay=pause, error="no", grace=grace)):
                    row.wait(self.model.now, delay, counted=True)
            case "without a try":
                if self._ends(claim, lambda connection: TABLE.defer(connection, claim, delay=pause, reason="not yet")):
                    row.wait(self.model.now, delay, counted=False)
            case "for good":
                self._give_up(row, row.newest(claim), token=claim.token)
            case _:
                self._die(claim)

    def _die(self, claim: Claim) -> None:
        """The worker's connection ends without a commit, whatever it had done."""
        connection = self.transactions.pop(claim, None)
        if connection is not None:
            TABLE.finish(connection, claim, "processed")
            connection.close()
            self.model.rows[claim.id].locked = False

    @precondition(lambda self: not self.transactions)
    @rule(claim=claims)
    def a_worker_locks_the_row_for_its_transaction(self, claim: Claim) -> None:
        row = self.model.rows[claim.id]
        connection = self.database.connect()
        try:
            TABLE.hold(connection, claim)
        except LeaseLostError:
            connection.close()
            assert not row.newest(claim)
            return
        assert row.newest(claim)
        self.transactions[claim], row.locked = connection, True

    @rule(by=seconds)
    def time_passes(self, by: float) -> None:
        if not self.transactions:  # a shift would wait for the lock; a lease can still end before the lock is taken
            self._shift(by)

    @rule(position=positions, worker=workers, ends=st.booleans())
    def the_parent_process_reports_a_child(self, position: int, worker: str, ends: bool) -> None:
        """The child is dead, or was ended by its time limit."""
        row = self._row(position)
        possible = row.status == "running" and row.holder == worker
        if ends:
            self._give_up(row, possible, task_id=worker)
        elif possible and row.locked:
            self._must_wait(lambda: TABLE.expire_lease(self.connection, row.id, holder=worker))
        else:
            assert TABLE.expire_lease(self.connection, row.id, holder=worker) == possible
            if possible:
                row.lease_ends_at = row.sweep_at = self.model.now

    @rule(position=positions, revokes=st.booleans())
    def an_operator_acts(self, position: int, revokes: bool) -> None:
        """He revokes what nobody works on, or redrives what has failed."""
        row = self._row(position)
        if revokes:
            self._give_up(row, row.free(self.model.now))
            return
        possible = row.status == "failed"
        assert TABLE.redrive(self.connection, row.id) == possible
        if possible:
            row.redrive(self.model.now)

    @rule(limit=st.integers(1, 3))
    def the_sweep_runs(self, limit: int) -> None:
        self._bury_poison()
        overdue = {row.id for row in self.model.rows.values() if row.overdue(self.model.now) and not row.locked}
        found = TABLE.due(self.connection, limit=limit)
        assert set(found) <= overdue
        assert len(found) == min(limit, len(overdue))
        waiting = [self.model.rows[row_id].due_at for row_id in found]
        assert waiting == sorted(waiting)
        self.model.swept(found)

    def _bury_poison(self) -> None:
        poisonous = {(row.id, row.token) for row in self.model.rows.values() if row.poisonous(self.model.now) and not row.locked}
        found = TABLE.poisoned(self.connection, limit=10)
        assert set(found) == poisonous
        for row_id, token in found:
            self._give_up(self.model.rows[row_id], possible=True, token=token)

    @invariant()
    def both_say_the_same(self) -> None:
        for row in self.stored.all():
            model = self.model.rows[row.id]
            assert (row.status, row.attempts, row.crashes) == (model.status, model.attempts, model.crashes)
            assert (row.token, row.redrives, row.holder) == (model.token, model.redrives, model.holder)
            assert row.unfinished == model.unfinished
            if model.unfinished:
                assert self._close(row.due_in, model.due_at)
                assert self._close(row.sweep_in, model.sweep_at)
                assert self._close(row.lease_left, model.lease_ends_at)

    def everything_is_finished_in_the_end(self) -> None:
        for row in self.model.rows.values():
            row.locked = False
        for _ in range(3):
            self._shift(2000)
            self._bury_poison()
            for row_id in TABLE.due(self.connection, limit=10):
                claim = TABLE.claim(self.connection, row_id, holder="healthy", lease=timedelta(seconds=LEASE))
                assert claim is not None
                TABLE.finish(self.connection, claim, "processed")
                self.model.rows[row_id].status = "processed"
        assert not any(row.unfinished for row in self.model.rows.values())

    def _row(self, position: int) -> ModelRow:
        """One of the few that matter: once a row has ended well, a new one is promised in its place."""
        rows = [row for row in self.model.rows.values() if row.status != "processed"]
        return rows[position] if position < len(rows) else self._promise()

    def _promise(self) -> ModelRow:
        row_id = self.stored.promise()
        row = self.model.rows[row_id] = ModelRow(row_id, self.model.now, self.model.now)
        return row

    def _claim(self, row: ModelRow, worker: str) -> Claim | None:
        return TABLE.claim(self.connection, row.id, holder=worker, lease=timedelta(seconds=LEASE))

    def _ends(self, claim: Claim, transition: Callable[[Connection], None]) -> bool:
        """Do the transition in the attempt's own transaction, if it has one; whether it counted."""
        row = self.model.rows[claim.id]
        connection = self.transactions.pop(claim, None)
        newest = row.newest(claim)
        if connection is None and newest and row.locked:
            self._must_wait(lambda: transition(self.connection))
            return False
        try:
            transition(connection or self.connection)
            ended = True
        except LeaseLostError:
            ended = False
        if connection is not None:
            connection.commit()
            connection.close()
            row.locked = False
        assert ended == newest
        return ended

    def _give_up(self, row: ModelRow, possible: bool, *, token: int | None = None, task_id: str | None = None) -> None:
        if possible and row.locked:
            self._must_wait(lambda: TABLE.give_up(self.connection, row.id, error="dead", token=token, task_id=task_id))
            return
        assert TABLE.give_up(self.connection, row.id, error="dead", token=token, task_id=task_id) == possible
        if possible:
            row.give_up()

    def _must_wait(self, transition: Callable[[], object]) -> None:
        """Somebody's transaction decides first; a real worker waits for it, or tries again."""
        try:
            transition()
        except OperationalError as error:
            assert "lock timeout" in str(error)  # noqa: PT017 - one of two ways is right
        else:
            raise AssertionError("changed a row that another transaction has locked")

    def _shift(self, by: float) -> None:
        self.model.added += by
        self.stored.pass_time(by)

    def _close(self, stored: float | None, modelled: float | None) -> bool:
        if stored is None or modelled is None:
            return stored is modelled
        return abs(stored - (modelled - self.model.now)) < 4
