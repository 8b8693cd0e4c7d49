"""What is written into the dead letters can always be written, and twice the same failure is one row."""

from __future__ import annotations

import json
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.connection import transaction
from models.failed_operations import record_failure
from settings import Settings
from tasks.dead_letters import WAITING_LIST, bury_job, store_waiting_dead_letters
from tasks.publishing import redis_client
from tests.integration.engine.ledger import Ledger

anything = st.text(st.characters(codec=None), max_size=30)
FAILURE = {"operation_type": "job", "operation_name": "tasks.x", "reason": "invalid", "error_type": "E", "error_message": "no"}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=anything, data=st.dictionaries(anything, anything | st.floats() | st.lists(anything, max_size=3), max_size=4))
def test_whatever_a_strangers_message_holds_its_failure_is_stored(app_settings: Settings, text: str, data: dict[str, object]) -> None:
    with transaction() as session:
        record_failure(
            session,
            FAILURE | {"operation_id": uuid4(), "operation_name": text, "error_message": text, "error_stack": text, "event_data": data},
        )


def test_the_same_failure_told_twice_is_one_row_and_a_new_one_counts_up(ledger: Ledger) -> None:
    for task_id in ("first", "first", "second"):
        bury_job("tasks.x", [1], {}, ValueError(task_id), task_id=task_id, stack=None)
    bury_job("tasks.x", [2], {}, ValueError("another call"), task_id="third", stack=None)
    counted, single = ledger.failures()
    assert (counted["occurrences"], counted["error_message"], counted["task_id"]) == (2, "second", "second")
    assert single["occurrences"] == 1


def test_failures_that_waited_in_redis_are_stored_once_in_their_order(ledger: Ledger) -> None:
    client = redis_client(timeout_seconds=2)
    same = str(uuid4())
    for message, operation_id in (("first", same), ("second", same), ("other", str(uuid4()))):
        failure = FAILURE | {"operation_id": operation_id, "error_message": message, "task_id": message}
        client.lpush(WAITING_LIST, json.dumps(failure))

    assert store_waiting_dead_letters() == 3

    assert [(row["error_message"], row["occurrences"]) for row in ledger.failures()] == [("second", 2), ("other", 1)]
    assert not client.exists(WAITING_LIST)
    assert store_waiting_dead_letters() == 0
