"""How work ends that cannot succeed: on a real prefork worker, each ending leaves exactly one failed operation."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tasks.stripe_webhooks import process_stripe_webhook
from tests.eventually import eventually
from tests.fixtures.processes import ProcfileProcess
from tests.integration.engine.ledger import Ledger
from tests.integration.engine.raw_messages import broker_is_empty, push

Start = Callable[..., ProcfileProcess]


def test_every_way_to_fail_leaves_one_failed_operation_and_a_working_worker(
    ledger: Ledger, worker: Start, subtests: pytest.Subtests
) -> None:
    program = worker()

    with subtests.test("exhausted retries: the event, the error, the stack and all six attempts"):
        event_id = ledger.take_in("fails")
        row = ledger.finished(event_id)
        assert (row["status"], row["attempts"], len(ledger.runs(event_id))) == ("failed", 6, 6)
        [failure] = ledger.failures(operation_id=event_id)
        assert (failure["operation_type"], failure["reason"], failure["attempts"]) == ("webhook", "retries_exhausted", 6)
        assert failure["operation_name"] == "tasks.process_stripe_webhook"
        assert failure["event_data"]["id"] == row["provider_event_id"]
        assert (failure["error_type"], failure["error_message"]) == ("UnpicklableError", "number 7 is not accepted")
        assert "follow_the_script" in failure["error_stack"]

    with subtests.test("a refusal for good is not repeated, and keeps its reason"):
        event_id = ledger.take_in("is refused")
        ledger.finished(event_id)
        [failure] = ledger.failures(operation_id=event_id)
        assert (failure["error_type"], failure["reason"], failure["attempts"]) == ("RefusedByTest", "refused_by_test", 1)
        assert len(ledger.runs(event_id)) == 1

    with subtests.test("a hard time limit, of which Celery tells twice, is one failed operation"):
        event_id = ledger.take_in("hears no soft limit", seconds=60, ring=False)
        process_stripe_webhook.apply_async((str(event_id),), soft_time_limit=1, time_limit=2)
        ledger.finished(event_id)
        eventually(broker_is_empty)
        [failure] = ledger.failures(operation_id=event_id)
        assert (failure["error_type"], failure["reason"], failure["occurrences"]) == ("TimeLimitExceeded", "time_limit", 1)

    with subtests.test("running out of memory is an error like any other, not the end of the worker"):
        event_id = ledger.take_in("runs out of memory")
        ledger.finished(event_id)
        [failure] = ledger.failures(operation_id=event_id)
        assert (failure["error_type"], failure["reason"], failure["attempts"]) == ("MemoryError", "retries_exhausted", 6)

    with subtests.test("an event that is not JSON is buried although nothing of it can be shown"):
        event_id = ledger.store(b"\xff not json", "evt_not_json")
        ledger.finished(event_id)
        [failure] = ledger.failures(operation_id=event_id)
        assert failure["event_data"] == {"unreadable": "UnicodeDecodeError"}

    with subtests.test("text that PostgreSQL cannot hold does not keep an event out of the dead letters"):
        body = {"id": "evt_nul", "type": "test.scripted", "data": {"object": {"does": "is\0 refused", "half": "\ud800"}}}
        event_id = ledger.store(json.dumps(body).encode(), "evt_nul")
        ledger.finished(event_id)
        [failure] = ledger.failures(operation_id=event_id)
        assert failure["event_data"]["data"]["object"] == {"does": "is\N{REPLACEMENT CHARACTER} refused", "half": "?"}

    with subtests.test("the worker is still the same one, and works"):
        event_id = ledger.take_in("succeeds")
        ledger.finished(event_id)
        assert ledger.event(event_id)["status"] == "processed"
        assert program.running
        eventually(broker_is_empty)


KNOWN = "tasks.process_stripe_webhook"
BROKEN: dict[str, tuple[Callable[[], str], str]] = {
    "a task of another release": (lambda: push("tasks.of_an_older_release", body='[["an id"], {}, {}]'), "unregistered"),
    "a body that is no text": (lambda: push(KNOWN, body=b"\xff\xfe"), "undecodable"),
    "a body that is no call": (lambda: push(KNOWN, body='{"not": "a call"}'), "invalid"),
    "a body that is a number": (lambda: push(KNOWN, body="7"), "invalid"),
    "no task id": (lambda: push(KNOWN, without=("id",)), "invalid"),
    "no task name": (lambda: push(None, without=("task",)), "unknown_message"),
    "a task name that is a list": (lambda: push(None, task=[KNOWN]), "invalid"),
    "a time that is no time": (lambda: push(KNOWN, eta="tomorrow"), "invalid"),
    "an argument that is not the id of a row": (lambda: push(KNOWN, body='[["../etc/passwd"], {}, {}]'), "malformed_id"),
    "an argument that is not even text": (lambda: push(KNOWN, body='[[{"a": 1}], {}, {}]'), "malformed_id"),
    "too few arguments": (lambda: push(KNOWN), "retries_exhausted"),
    "too many arguments, which PostgreSQL cannot hold": (
        lambda: push(KNOWN, body='[["a", "b"], {"c": "\\u0000"}, {}]'),
        "retries_exhausted",
    ),
}


def test_a_message_that_cannot_become_work_is_in_the_dead_letters_and_the_worker_goes_on(
    ledger: Ledger, worker: Start, subtests: pytest.Subtests
) -> None:
    program = worker()
    for case, (send, reason) in BROKEN.items():
        with subtests.test(case):
            before = len(ledger.failures())
            send()
            [*_, failure] = eventually(lambda known=before: ledger.failures()[known:])  # type: ignore[misc]
            assert (failure["operation_type"], failure["reason"]) == ("job", reason)
            assert program.running
    eventually(broker_is_empty)
