"""The platform stops a worker: SIGTERM to every process of it at once, SIGKILL after 30 seconds."""

from __future__ import annotations

from time import monotonic

import pytest

from tasks.publishing import queue_length, redis_client
from tests.eventually import eventually
from tests.faults.conftest import Measure, Start
from tests.integration.engine.ledger import Ledger
from tests.integration.engine.raw_messages import waiting_for

SCRIPTED = {"CELERY_WORKER_INCLUDE": "tests.integration.engine.scripted_events", "LEASE_SECONDS": "45"}


def test_running_tasks_finish_and_the_others_are_put_back_at_once(ledger: Ledger, start: Start, measured: Measure) -> None:
    worker = start("worker", **SCRIPTED)
    running = [ledger.take_in("takes time", seconds=4) for _ in range(2)]
    for event_id in running:
        ledger.started(event_id)
    waiting = [ledger.take_in("succeeds") for _ in range(4)]

    begun = monotonic()
    with measured("SIGTERM with two tasks of 4 s running: the worker has ended"):
        worker.stop(within_seconds=25)
    assert monotonic() - begun < 15  # not the whole time that it has

    rows = [ledger.event(event_id) for event_id in running]
    assert [(row["status"], row["attempts"]) for row in rows] == [("processed", 1)] * 2
    assert [ledger.runs(event_id) for event_id in waiting] == [[]] * 4
    # A task that ended during the shutdown may come back too, its acknowledgement lost (celery/celery#6863), and a message may be put
    # back by both who put it back; whoever takes the second finds the row done.
    put_back = set(waiting_for("webhooks"))
    assert set(map(str, waiting)) <= put_back <= set(map(str, [*waiting, *running]))
    assert redis_client(timeout_seconds=2).zcard("unacked_index") == 0

    start("worker", **SCRIPTED)  # no beat: nothing has to be swept
    assert {ledger.finished(event_id)["attempts"] for event_id in waiting} == {1}
    eventually(lambda: queue_length("webhooks") == 0)
    assert [len(ledger.runs(event_id)) for event_id in running] == [1, 1]


@pytest.mark.slow
def test_a_task_that_takes_too_long_is_cut_off_in_time_and_done_again(ledger: Ledger, start: Start, measured: Measure) -> None:
    worker = start("worker", **SCRIPTED)
    event_id = ledger.take_in("takes time", seconds=24)
    ledger.started(event_id)
    ledger.repair()

    begun = monotonic()
    with measured("SIGTERM with a task running that takes too long: the worker has ended"):
        worker.stop(within_seconds=28)
    assert monotonic() - begun < 25

    start("worker", **SCRIPTED)
    with measured("SIGTERM with a task running that takes too long: the next worker has done it"):
        assert ledger.finished(event_id, within_seconds=10)["status"] == "processed"
    eventually(lambda: len(ledger.runs(event_id)) == 2)
