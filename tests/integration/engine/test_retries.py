"""Retries on a real worker: how long they wait, and that the row counts them whatever happens to the messages."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

from tasks.publishing import publish, redis_client
from tasks.webhook_messages import message_for
from tests.eventually import eventually
from tests.fixtures.processes import ProcfileProcess
from tests.integration.engine.ledger import Ledger
from tests.integration.engine.raw_messages import broker_is_empty

Start = Callable[..., ProcfileProcess]

UNIT = 0.1
LATE = 1.5  # what a busy machine may add


def test_each_pause_is_twice_the_one_before_and_never_shorter_than_its_step(ledger: Ledger, worker: Start) -> None:
    worker(RETRY_UNIT_SECONDS=str(UNIT))
    event_id = ledger.take_in("fails")

    ledger.finished(event_id, within_seconds=20)

    pauses = [after - before for before, after in pairwise(ledger.run_times(event_id))]
    assert len(pauses) == 5
    for number, pause in enumerate(pauses, 1):
        step = UNIT * 2**number
        assert step * 0.99 <= pause <= step * 1.25 + LATE


def test_doubled_messages_do_not_double_the_attempts(ledger: Ledger, worker: Start) -> None:
    worker()
    event_id = ledger.take_in("fails", ring=False)
    publish([message_for("stripe", event_id)] * 7)

    assert ledger.finished(event_id)["attempts"] == 6
    eventually(broker_is_empty)
    assert len(ledger.runs(event_id)) == 6
    [failure] = ledger.failures()
    assert (failure["attempts"], failure["occurrences"]) == (6, 1)


def test_lost_messages_cost_time_but_no_attempt(ledger: Ledger, worker: Start, beat: Start) -> None:
    """Redis is emptied after each of the first attempts, with the message of the next one."""
    worker(RETRY_UNIT_SECONDS="0.2")
    beat()
    event_id = ledger.take_in("fails", ring=False)
    client = redis_client(timeout_seconds=2)

    def tried_more_than(times: int) -> bool:
        return len(ledger.runs(event_id)) > times

    for times in range(3):
        eventually(partial(tried_more_than, times))
        client.flushall()

    assert ledger.finished(event_id, within_seconds=40)["attempts"] == 6
    assert len(ledger.runs(event_id)) == 6
    assert len(ledger.failures()) == 1
