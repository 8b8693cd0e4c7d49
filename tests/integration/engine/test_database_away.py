"""The database may vanish at the very moment in which a failure is to be written: nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import psycopg
import pytest

from local.postgres import Postgres
from settings import Settings
from tasks.dead_letters import WAITING_LIST, store_waiting_dead_letters
from tasks.publishing import redis_client
from tasks.recovery import publish_waiting_work
from tests.eventually import eventually
from tests.fixtures.processes import ProcfileProcess
from tests.integration.engine.ledger import Ledger
from tests.integration.engine.raw_messages import push

Start = Callable[..., ProcfileProcess]


@pytest.fixture
def reconnected(app_settings: Settings) -> Callable[[Ledger], Ledger]:
    """The ledger on a new connection, after the server was away."""

    def connect(ledger: Ledger) -> Ledger:
        options = "-c redrive.role=admin"
        row_factory = ledger.connection.row_factory
        connection = psycopg.connect(app_settings.postgres_dsn, autocommit=True, row_factory=row_factory, options=options)
        return ledger._replace(connection=connection)

    return connect


def test_failures_while_the_database_is_away_are_written_when_it_is_back(
    ledger: Ledger, worker: Start, postgres_server: Postgres, reconnected: Callable[[Ledger], Ledger]
) -> None:
    program = worker(LEASE_SECONDS="2")
    refused = ledger.take_in("is refused after a while", seconds=3)
    waiting = ledger.take_in("succeeds", ring=False)
    ledger.started(refused)

    postgres_server.kill()
    push("tasks.of_an_older_release")
    program.wait_for_log("dead_letter.waits")  # the refused event's own row could not be given up
    eventually(lambda: redis_client(timeout_seconds=2).llen(WAITING_LIST))
    postgres_server.start()
    ledger = reconnected(ledger)
    eventually(lambda: ledger.event(refused)["lease_expires_at"] < datetime.now(UTC))
    publish_waiting_work.delay()
    store_waiting_dead_letters.delay()

    assert ledger.finished(refused)["status"] == "failed"
    assert ledger.finished(waiting)["status"] == "processed"
    eventually(lambda: len(ledger.failures()) == 2)
    assert {failure["reason"] for failure in ledger.failures()} == {"refused_by_test", "unregistered"}
    assert program.running
    ledger.connection.close()
