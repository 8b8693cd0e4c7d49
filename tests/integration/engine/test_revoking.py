"""``celery control revoke`` stops work in plain sight: the row ends as a failed operation that a person may redrive."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from tasks.stripe_webhooks import process_stripe_webhook
from tests.eventually import eventually
from tests.fixtures.processes import ProcfileProcess
from tests.integration.engine.ledger import Ledger
from tests.integration.engine.raw_messages import broker_is_empty

Start = Callable[..., ProcfileProcess]


def _task_id(ledger: Ledger, event_id: UUID) -> str:
    return str(ledger.event(event_id)["lease_holder"]).partition("@")[0]


def test_a_task_revoked_while_it_runs_or_before_it_starts_is_not_done_and_not_forgotten(ledger: Ledger, worker: Start) -> None:
    worker(WORKER_CONCURRENCY="1")
    running = ledger.take_in("takes time", seconds=60)
    ledger.started(running)
    waiting = ledger.take_in("succeeds", ring=False)
    sent = process_stripe_webhook.apply_async((str(waiting),))
    control = process_stripe_webhook.app.control

    control.revoke(sent.id)
    eventually(lambda: sent.id in next(iter(control.inspect().revoked().values())))
    control.revoke(_task_id(ledger, running), terminate=True)

    rows = [ledger.finished(running), ledger.finished(waiting)]
    assert [row["status"] for row in rows] == ["failed", "failed"]
    assert {failure["operation_id"]: failure["reason"] for failure in ledger.failures()} == {running: "revoked", waiting: "revoked"}
    assert ledger.runs(waiting) == []
    eventually(broker_is_empty)


def test_revoking_a_doubled_message_leaves_the_copy_that_runs_alone(ledger: Ledger, worker: Start) -> None:
    worker()
    event_id = ledger.take_in("takes time", seconds=3)
    ledger.started(event_id)
    process_stripe_webhook.app.control.revoke("3e8ec0ae-8f76-4f4e-8a0c-000000000000", reply=True)
    process_stripe_webhook.apply_async((str(event_id),), task_id="3e8ec0ae-8f76-4f4e-8a0c-000000000000")

    assert ledger.finished(event_id)["status"] == "processed"
    assert ledger.failures() == []
