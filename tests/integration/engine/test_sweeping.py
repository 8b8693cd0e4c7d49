"""What the recovery sweep puts where: a long queue gets no longer, and what waits longest does not wait behind it."""

from __future__ import annotations

from uuid import uuid4

import tasks.stripe_webhooks  # noqa: F401 - registers the lane
from tasks.publishing import publish, queue_length, redis_client
from tasks.recovery import FULL_QUEUE, IN_FRONT, publish_waiting_work
from tasks.webhook_messages import QUEUE, message_for
from tests.integration.engine.ledger import Ledger
from tests.integration.engine.raw_messages import waiting_for


def test_the_oldest_work_goes_before_a_full_queue_and_no_more_than_a_few_at_once(ledger: Ledger) -> None:
    publish([message_for("stripe", uuid4()) for _ in range(FULL_QUEUE)])
    waiting = [ledger.take_in("succeeds", ring=False) for _ in range(IN_FRONT + 1)]

    assert publish_waiting_work()["webhooks"] == IN_FRONT

    assert waiting_for(QUEUE)[:IN_FRONT] == [str(event_id) for event_id in waiting[:IN_FRONT]]
    assert queue_length(QUEUE) == FULL_QUEUE + IN_FRONT


def test_a_short_queue_is_filled_from_behind(ledger: Ledger) -> None:
    first = uuid4()
    publish([message_for("stripe", first)])
    waiting = [ledger.take_in("succeeds", ring=False) for _ in range(3)]

    publish_waiting_work()

    assert waiting_for(QUEUE) == [str(event_id) for event_id in (first, *waiting)]


def test_what_redis_lost_with_its_data_is_published_again_by_the_next_sweep(ledger: Ledger) -> None:
    waiting = [ledger.take_in("succeeds", ring=False) for _ in range(3)]
    publish_waiting_work()
    assert publish_waiting_work()["webhooks"] == 0

    redis_client(timeout_seconds=2).flushdb()

    assert publish_waiting_work()["webhooks"] == 3
    assert waiting_for(QUEUE) == [str(event_id) for event_id in waiting]
