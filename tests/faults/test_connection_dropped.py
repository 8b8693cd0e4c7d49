"""The connection to Redis drops while a task runs: Celery puts the message of the running task back, and starts it beside itself."""

from __future__ import annotations

from tasks.publishing import redis_client
from tests.eventually import eventually
from tests.faults.conftest import Measure, Start
from tests.integration.engine.ledger import Ledger


def test_a_running_task_is_not_done_a_second_time(ledger: Ledger, start: Start, measured: Measure) -> None:
    worker = start("worker", CELERY_WORKER_INCLUDE="tests.integration.engine.scripted_events", LEASE_SECONDS="45")
    event_id = ledger.take_in("takes time", seconds=6)
    ledger.started(event_id)

    client = redis_client(timeout_seconds=2)
    connected = worker.log.count("Connected to redis")
    with measured("Redis connections killed: the worker consumes again"):
        client.client_kill_filter(_type="normal", skipme=True)
        eventually(lambda: worker.log.count("Connected to redis") > connected, 40)
        other = ledger.take_in("succeeds")
        ledger.finished(other)

    assert "Restoring 1 unacknowledged message" in worker.log  # the doubled message that this is about
    row = ledger.finished(event_id)
    assert (row["status"], row["lease_token"], len(ledger.runs(event_id))) == ("processed", 1, 1)
    eventually(lambda: not client.exists("webhooks", "unacked"))
