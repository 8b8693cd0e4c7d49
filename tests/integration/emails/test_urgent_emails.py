"""A mail that somebody waits for does not wait behind thousands of others: it never joins a batch, and it goes first."""

from __future__ import annotations

import json
from collections.abc import Callable
from uuid import UUID

import pytest

from simulator.control import SimulatorClient
from tasks.emails import kind_of
from tasks.emails.enqueueing import QUEUE
from tasks.publishing import queue_length, redis_client
from tasks.recovery import MANY, publish_waiting_work
from tests.batching import batch_calls, check_sent_once, drain, queue, rows_of, states, sweep_and_work, time_passes
from tests.integration.emails.conftest import SetTo
from tests.mailing import row_of

Promise = Callable[..., UUID]
LINK = kind_of("magic_link").sample.model_dump(mode="json")


def waiting() -> list[str]:
    """The tasks in the queue of emails, in the order in which workers take them."""
    elements = redis_client(timeout_seconds=2).lrange(QUEUE, 0, -1)
    return [json.loads(element)["headers"]["task"].removeprefix("tasks.send_") for element in reversed(elements)]


def test_the_message_of_an_urgent_mail_is_taken_first(promise: Promise) -> None:
    promise()
    promise()
    promise("magic_link", LINK)
    assert waiting() == ["magic_link_email", "welcome_email", "welcome_email"]


@pytest.mark.parametrize("size", [100, 1])
def test_an_urgent_mail_leaves_on_its_own_while_many_others_leave_together(provider: SimulatorClient, set_to: SetTo, size: int) -> None:
    set_to(EMAIL_BATCH_SIZE=size)
    many, [urgent] = queue(MANY), queue(1, "magic_link", LINK, to="ada@example.com")
    publish_waiting_work()
    assert waiting() == ["magic_link_email"]
    drain()
    check_sent_once(provider, many)
    assert row_of(urgent).status == "pending"
    time_passes()
    sweep_and_work()
    check_sent_once(provider, [*many, urgent])
    assert row_of(urgent).batch_id is None
    assert provider.emails()[-1].idempotency_key == f"redrive/{urgent}/1"
    assert len(batch_calls(provider)) == (1 if size == 100 else 0)


def test_urgent_mails_alone_never_make_a_batch(provider: SimulatorClient) -> None:
    ids = queue(MANY, "magic_link", LINK)
    publish_waiting_work()
    assert (queue_length("batches"), queue_length(QUEUE)) == (0, MANY)
    assert not drain()
    assert (states(), {row.attempts for row in rows_of(ids)}) == ({"pending": MANY}, {0})


def test_the_sweep_lets_urgent_mails_overtake_those_that_wait_in_the_queue(provider: SimulatorClient, promise: Promise) -> None:
    for _ in range(3):
        promise()
    queue(1, "magic_link", LINK)
    publish_waiting_work()
    assert waiting()[0] == "magic_link_email"
