"""Redriving: what is run again, under which key, what is refused and why, and when the failed operation is resolved."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from local.redis_server import RedisServer
from models.audit_log import actions_on
from models.connection import transaction
from models.failed_operation_lists import Filters
from models.failed_operations import FailedOperation
from settings import Settings
from tasks.celery_app import app
from tasks.dead_letters import bury_job
from tasks.errors import OutcomeUnknown, PermanentFailure
from tasks.publishing import queue_length
from tasks.redrive_errors import (
    AlreadyResolved,
    ConfirmationNeeded,
    NotFailedAnyMore,
    NotPublished,
    NotRepeatable,
    RedriveRefused,
)
from tasks.redriving import redrive_matching, redrive_operation, resolve_operation_by_hand
from tests.eventually import eventually
from tests.fixtures.processes import ProcfileProcess
from tests.integration.engine.failing import failed_email, failed_event
from tests.integration.engine.ledger import Ledger
from tests.mailing import log_of, row_of

Start = Callable[..., ProcfileProcess]
BY = "cli:alice"


def _redrive(operation: UUID, *, confirmed: bool = False) -> FailedOperation:
    with transaction() as session:
        return redrive_operation(session, operation, actor=BY, confirmed=confirmed)


def test_a_redriven_event_is_pending_again_published_counted_and_in_the_audit_log(ledger: Ledger) -> None:
    event_id, operation = failed_event(ledger)

    row = _redrive(operation)

    event = ledger.event(event_id)
    assert (event["status"], event["attempts"], event["redrives"]) == ("pending", 0, 1)
    assert queue_length("webhooks") == 1
    assert (row.retry_count, row.last_retry_at is not None, row.resolved_at) == (1, True, None)
    with transaction() as session:
        [entry] = actions_on(session, operation)
    assert (entry.actor, entry.action) == (BY, "failed_operation.redriven")


def test_nothing_is_published_or_counted_if_the_transaction_is_rolled_back(ledger: Ledger) -> None:
    event_id, operation = failed_event(ledger)
    with transaction() as session:
        redrive_operation(session, operation, actor=BY)
        session.rollback()
    assert ledger.event(event_id)["status"] == "failed"
    assert queue_length("webhooks") == 0
    assert ledger.failures()[0]["retry_count"] == 0


def test_a_failed_operation_resolves_itself_when_its_redrive_succeeds(ledger: Ledger, worker: Start) -> None:
    worker()
    event_id = ledger.take_in("is refused")
    ledger.finished(event_id)
    [failure] = ledger.failures()
    _redrive(failure["id"])
    eventually(lambda: ledger.failures()[0]["occurrences"] == 2)
    [again] = ledger.failures()
    assert (again["id"], again["retry_count"], again["resolved_at"]) == (failure["id"], 1, None)

    ledger.repair()
    _redrive(failure["id"])

    assert ledger.finished(event_id)["status"] == "processed"
    [resolved] = ledger.failures()
    assert (resolved["resolved_by"], resolved["retry_count"]) == ("redrive", 2)
    assert "redrive 2" in resolved["resolution_note"]


def test_a_mail_that_was_certainly_not_taken_is_made_anew_under_a_new_key(ledger: Ledger) -> None:
    """So that what was repaired since, for example the sender's domain or a template, counts."""
    email, operation = failed_email(ledger)
    published = queue_length("emails")
    _redrive(operation)
    row = row_of(email)
    assert (row.status, row.send_generation) == ("pending", 2)
    assert (row.subject, row.html_body, row.sender) == (None, None, None)
    line = log_of(email)[-1]
    assert (line.event, line.actor) == ("redriven", BY)
    assert queue_length("emails") == published + 1


def test_a_mail_that_may_have_been_taken_keeps_its_key_and_its_bytes_while_they_protect_it(ledger: Ledger) -> None:
    email, operation = failed_email(ledger, unknown_for=timedelta(hours=3))
    _redrive(operation)
    row = row_of(email)
    assert (row.status, row.send_generation, row.subject) == ("pending", 1, "s")
    assert row.outcome_unknown_at is not None


@pytest.mark.parametrize(
    ("error", "unknown_for"),
    [(OutcomeUnknown("it may have been sent"), None), (PermanentFailure("no"), timedelta(hours=24))],
)
def test_a_mail_that_may_already_be_sent_needs_a_confirmation_and_then_a_new_key(
    ledger: Ledger, error: Exception, unknown_for: timedelta | None
) -> None:
    email, operation = failed_email(ledger, error, unknown_for=unknown_for)
    with pytest.raises(ConfirmationNeeded, match="may already have been sent"):
        _redrive(operation)
    assert (row_of(email).status, ledger.failures()[0]["retry_count"]) == ("failed", 0)

    _redrive(operation, confirmed=True)

    row = row_of(email)
    assert (row.status, row.send_generation, row.outcome_unknown_at) == ("pending", 2, None)


def test_what_is_on_its_way_or_done_is_not_redriven_again(ledger: Ledger) -> None:
    event_id, operation = failed_event(ledger)
    _redrive(operation)
    with pytest.raises(NotFailedAnyMore, match="on its way already"):
        _redrive(operation)
    ledger.connection.execute("UPDATE webhook_events SET status = 'ignored', finished_at = now() WHERE id = %s", (event_id,))
    with pytest.raises(NotFailedAnyMore, match="ended as ignored"):
        _redrive(operation)
    assert ledger.failures()[0]["retry_count"] == 1


def test_what_was_erased_since_cannot_be_redriven(ledger: Ledger) -> None:
    event_id, operation = failed_event(ledger)
    ledger.connection.execute("UPDATE webhook_events SET erased_at = now(), body = '' WHERE id = %s", (event_id,))
    with pytest.raises(NotRepeatable, match="erased"):
        _redrive(operation)


def test_resolving_by_hand_says_who_and_why_and_ends_it(ledger: Ledger) -> None:
    _, operation = failed_event(ledger)
    with transaction() as session:
        row = resolve_operation_by_hand(session, operation, actor=BY, note="paid back in Stripe")
    assert (row.resolved_by, row.resolution_note) == (BY, "paid back in Stripe")
    with pytest.raises(AlreadyResolved, match=f"by {BY}"):
        _redrive(operation)
    with transaction() as session, pytest.raises(AlreadyResolved):
        resolve_operation_by_hand(session, operation, actor=BY, note="again")
    with transaction() as session:
        assert [entry.action for entry in actions_on(session, operation)] == ["failed_operation.resolved"]


def test_a_job_is_published_with_its_arguments_and_resolved_by_that(ledger: Ledger) -> None:
    bury_job("tasks.cleanup_old_reminders", [90], {}, ValueError("no"), task_id="1", stack=None)
    row = _redrive(ledger.failures()[0]["id"])
    assert row.resolved_by == BY
    [name] = [name for name in ("celery", "sweeps", "reminders") if queue_length(name)]
    message = app.connection_for_write().channel().basic_get(name, no_ack=True)
    assert message.headers["task"] == "tasks.cleanup_old_reminders"
    assert message.payload[:2] == [[90], {}]


def test_a_job_stays_unresolved_if_redis_does_not_take_it(ledger: Ledger, redis_server: RedisServer) -> None:
    bury_job("tasks.publish_waiting_work", [], {}, ValueError("no"), task_id="1", stack=None)
    redis_server.kill()
    with pytest.raises(NotPublished, match="Redis does not answer"):
        _redrive(ledger.failures()[0]["id"])
    assert ledger.failures()[0]["resolved_at"] is None


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("tasks.pay_back", {"refund_cents": 100}, "by hand"),
        ("tasks.publish_waiting_work", {"body": "not json", "headers": {}}, "cannot be read"),
        ("tasks.publish_waiting_work", {}, "cannot be read"),
        ("tasks.publish_waiting_work", {"args": 1, "kwargs": {}}, "cannot be read"),
    ],
)
def test_a_job_that_no_program_can_repeat_says_so(ledger: Ledger, name: str, data: dict[str, object], sentence: str) -> None:
    bury_job(name, [], {}, ValueError("pay back 1 EUR"), task_id="1", stack=None)
    with transaction() as session:
        session.query(FailedOperation).update({"event_data": data})
    with pytest.raises(NotRepeatable, match=sentence):
        _redrive(ledger.failures()[0]["id"])


def test_a_message_of_an_unknown_task_can_be_redriven_once_a_release_knows_it(ledger: Ledger) -> None:
    bury_job("tasks.publish_waiting_work", [], {}, ValueError("no"), task_id="1", stack=None)
    with transaction() as session:
        session.query(FailedOperation).update({"event_data": {"headers": {}, "body": '[[], {}, {"chord": null}]'}})
    assert _redrive(ledger.failures()[0]["id"]).resolved_at is not None


def test_many_are_redriven_at_once_and_what_is_refused_does_not_hold_up_the_rest(ledger: Ledger) -> None:
    events = [failed_event(ledger)[1] for _ in range(3)]
    _, unsure = failed_email(ledger, OutcomeUnknown("?"))
    done = redrive_matching(Filters(), limit=10, actor=BY)
    assert done.redriven == events
    assert {row_id: refusal.code for row_id, refusal in done.refused.items()} == {unsure: "confirmation_needed"}
    assert redrive_matching(Filters(operation_type="email"), limit=10, actor=BY, confirmed=True).redriven == [unsure]


def test_two_people_who_redrive_the_same_at_once_do_it_once(ledger: Ledger) -> None:
    _, operation = failed_event(ledger)
    with transaction() as session:
        redrive_operation(session, operation, actor=BY)
        ledger.connection.execute("SET lock_timeout = '50ms'")
        with pytest.raises(Exception, match="lock timeout"):
            ledger.connection.execute("SELECT 1 FROM failed_operations WHERE id = %s FOR UPDATE", (operation,))


def test_an_unknown_operation_is_refused_with_a_sentence(app_settings: Settings) -> None:
    with pytest.raises(RedriveRefused, match="no failed operation"):
        _redrive(uuid4())
