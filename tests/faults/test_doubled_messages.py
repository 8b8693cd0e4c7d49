"""Messages are doubled and two sweeps run at once: the row decides, so nothing is done twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from models.connection import transaction
from models.webhook_events import WEBHOOK_EVENTS
from tasks.publishing import publish, queue_length
from tasks.recovery import publish_waiting_work
from tasks.webhook_messages import message_for
from tests.eventually import eventually
from tests.faults.conftest import Start
from tests.integration.engine.ledger import Ledger
from tests.integration.engine.raw_messages import broker_is_empty


def test_each_event_runs_once_however_often_it_is_published(ledger: Ledger, start: Start) -> None:
    events = [ledger.take_in("succeeds", ring=False) for _ in range(20)]
    publish([message_for("stripe", event_id) for _ in range(5) for event_id in events])
    start("worker", CELERY_WORKER_INCLUDE="tests.integration.engine.scripted_events", WORKER_CONCURRENCY="4")

    assert {ledger.finished(event_id, 20)["status"] for event_id in events} == {"processed"}
    eventually(broker_is_empty)
    assert [len(ledger.runs(event_id)) for event_id in events] == [1] * 20


def test_two_sweeps_at_once_publish_each_row_once(ledger: Ledger) -> None:
    events = [ledger.take_in("succeeds", ring=False) for _ in range(200)]
    with ThreadPoolExecutor(2) as sweepers:
        found = list(sweepers.map(lambda _: publish_waiting_work()["webhooks"], range(2)))

    assert sum(found) == queue_length("webhooks") == len(events)
    with transaction() as session:
        assert WEBHOOK_EVENTS.due(session, limit=1) == []
