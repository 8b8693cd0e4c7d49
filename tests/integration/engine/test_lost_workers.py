"""Workers may die at any moment: work goes on within seconds, and what kills its workers does not do so for ever."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from models.work import MAX_CRASHES
from tasks.stripe_webhooks import process_stripe_webhook
from tests.eventually import eventually
from tests.fixtures.processes import ProcfileProcess
from tests.integration.engine.ledger import Ledger

Start = Callable[..., ProcfileProcess]


def test_work_of_a_killed_child_goes_on_long_before_its_lease_ends(ledger: Ledger, worker: Start) -> None:
    worker(LEASE_SECONDS="600")
    event_id = ledger.take_in("asks the database slowly", seconds=20)
    child = ledger.started(event_id)
    ledger.repair()

    os.kill(child, signal.SIGKILL)

    row = ledger.finished(event_id, within_seconds=15)
    assert (row["status"], row["attempts"], row["lease_token"]) == ("processed", 2, 2)
    assert len(ledger.runs(event_id)) == 2
    assert ledger.failures() == []


def test_a_child_lost_at_the_last_retry_is_a_failed_operation_at_once(ledger: Ledger, worker: Start) -> None:
    worker(LEASE_SECONDS="600")
    event_id = ledger.take_in("kills its process", ring=False)
    process_stripe_webhook.apply_async((str(event_id),), retries=process_stripe_webhook.max_retries)

    assert ledger.finished(event_id, within_seconds=20)["status"] == "failed"
    [failure] = ledger.failures()
    assert (failure["reason"], failure["error_type"], failure["attempts"]) == ("worker_lost", "WorkerLostError", 1)


def test_a_child_that_ends_itself_is_a_lost_one(ledger: Ledger, worker: Start) -> None:
    worker(LEASE_SECONDS="600")
    event_id = ledger.take_in("leaves its process")
    ledger.started(event_id)
    ledger.repair()
    row = ledger.finished(event_id, within_seconds=20)
    assert (row["status"], row["attempts"]) == ("processed", 2)


@pytest.mark.slow
def test_what_kills_every_worker_that_tries_it_ends_as_poison(ledger: Ledger, worker: Start, beat: Start) -> None:
    worker()
    beat()
    event_id = ledger.take_in("kills its process")
    harmless = ledger.take_in("succeeds")

    row = ledger.finished(event_id, within_seconds=60)

    assert (row["status"], len(ledger.runs(event_id))) == ("failed", MAX_CRASHES)
    [failure] = ledger.failures()
    assert (failure["operation_id"], failure["reason"], failure["attempts"]) == (event_id, "poison", MAX_CRASHES)
    assert ledger.event(harmless)["status"] == "processed"


def test_work_of_a_worker_killed_with_all_its_children_is_done_by_the_next(ledger: Ledger, worker: Start, beat: Start) -> None:
    beat()
    first = worker()
    event_ids = [ledger.take_in("takes time", seconds=30) for _ in range(6)]  # 2 run, others are prefetched or wait
    eventually(lambda: sum(len(ledger.runs(event_id)) for event_id in event_ids) == 2)
    ledger.repair()

    first.kill()
    worker()

    rows = [ledger.finished(event_id, within_seconds=20) for event_id in event_ids]
    assert {row["status"] for row in rows} == {"processed"}
    assert sorted(row["attempts"] for row in rows) == [1, 1, 1, 1, 2, 2]


def test_a_task_longer_than_the_visibility_timeout_runs_once(ledger: Ledger, worker: Start) -> None:
    worker(VISIBILITY_TIMEOUT_SECONDS="2", LEASE_SECONDS="60")
    event_id = ledger.take_in("takes time", seconds=9)  # Redis would redeliver after 2 s, and look for that every 5 s
    begun = time.monotonic()

    row = ledger.finished(event_id, within_seconds=20)

    assert time.monotonic() - begun > 7
    assert (row["status"], row["lease_token"], len(ledger.runs(event_id))) == ("processed", 1, 1)
