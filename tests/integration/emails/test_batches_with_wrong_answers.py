"""The provider answers a batch wrongly, late, or not at all: nothing is lost, nothing is sent twice, and the rows say what is known."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from local.ports import free_port
from models.connection import transaction
from simulator.control import SimulatorClient
from simulator.script import Action, Rule, bad_gateway, cut_after, cut_before, fails, hang_after, not_json, without_id
from tasks.mail.batch_attempt import REFUSED_TRIES
from tasks.mail.batch_sending import send_email_batch
from tasks.mail.provider_circuit import FAILURES, CircuitOpen, circuit
from tasks.mail.settling import settle
from tasks.redrive_errors import ConfirmationNeeded
from tasks.redriving import redrive_operation
from tests.batching import (
    batch_calls,
    batches,
    check_sent_once,
    drain,
    failure_of,
    finish_everything,
    form,
    only_batch,
    queue,
    rows_of,
    states,
    sweep_and_work,
    time_passes,
)
from tests.eventually import eventually
from tests.integration.emails.conftest import SetTo
from tests.mailing import log_of

ONE_ID = json.dumps({"data": [{"id": "1f0b"}], "errors": []})
ODD_ERRORS = json.dumps({"data": [{"id": "1f0b"}] * 4, "errors": [{"index": "first"}]})
UNCLEAR = {
    "a cut connection": cut_before(),
    "a cut connection after taking the batch": cut_after(),
    "silence after taking the batch": hang_after(1.5),
    "500": fails("application_error"),
    "500 after taking the batch": fails("application_error", taken=True),
    "a proxy's 502 page": bad_gateway(),
    "409, the same key is in flight": fails("concurrent_idempotent_requests"),
    "200 without ids": without_id(),
    "200 with fewer ids than mails": without_id(ONE_ID),
    "200 with errors that name no mail": without_id(ODD_ERRORS),
    "200 that is not JSON": not_json(),
}


def answer_with(provider: SimulatorClient, *actions: Action) -> None:
    """Each to one call for a batch, in this order; the calls after them are answered well, and so are those for single mails."""
    provider.script_resend(rules=[Rule(action=action, path="/emails/batch", times=1) for action in actions])


@pytest.mark.parametrize("answer", UNCLEAR)
def test_after_an_unclear_answer_the_same_batch_is_sent_again_under_its_key(provider: SimulatorClient, answer: str) -> None:
    answer_with(provider, UNCLEAR[answer])
    ids = queue(4)
    drain()
    batch = only_batch()
    assert (batch.status, batch.attempts, batch.outcome_unknown_at is not None) == ("pending", 1, True)
    for row in rows_of(ids):
        assert (row.status, row.batch_id, row.outcome_unknown_at is not None) == ("running", batch.id, True)
        assert log_of(row.id)[-1].detail["outcome"] == "unknown"
    time_passes()
    sweep_and_work()
    check_sent_once(provider, ids)
    assert (only_batch().status, only_batch().attempts) == ("sent", 2)
    assert {row.attempts for row in rows_of(ids)} == {1}
    eventually(lambda: provider.requests()["total"] == 2)  # silence is logged when it ends
    assert {call["idempotency_key"] for call in batch_calls(provider)} == {f"redrive-batch/{batch.id}"}


def test_a_provider_that_cannot_be_reached_has_taken_nothing_and_gets_the_batch_later(provider: SimulatorClient, set_to: SetTo) -> None:
    ids = queue(4)
    set_to(RESEND_API_URL=f"http://127.0.0.1:{free_port()}")
    drain()
    assert (only_batch().status, only_batch().outcome_unknown_at) == ("pending", None)
    set_to(RESEND_API_URL=provider.resend_api_url)
    finish_everything()
    check_sent_once(provider, ids)
    assert len(batch_calls(provider)) == 1


def test_a_definite_refusal_dissolves_the_batch_and_its_mails_go_on_one_by_one(provider: SimulatorClient) -> None:
    answer_with(provider, fails("validation_error", message="Too much at once, says shop@example.com."))
    ids = queue(4)
    drain()
    batch = only_batch()
    assert (batch.status, batch.body, batch.outcome_unknown_at is not None) == ("dissolved", None, True)
    assert "@" not in (batch.last_error or "")
    for row in rows_of(ids):
        assert (row.status, row.attempts, row.outcome_unknown_at, row.lease_holder) == ("pending", 0, None, None)
        assert [line.event for line in log_of(row.id)] == ["queued", "attempted"]
    sweep_and_work()
    check_sent_once(provider, ids)
    assert {mail.idempotency_key for mail in provider.emails()} == {f"redrive/{notification_id}/1" for notification_id in ids}


def test_a_refusal_that_nobody_knows_dissolves_the_batch_after_some_tries(provider: SimulatorClient) -> None:
    provider.script_resend(rules=[Rule(action=Action(kind="error", error="something_new", status=418), path="/emails/batch")])
    ids = queue(4)
    drain()
    for _ in range(REFUSED_TRIES - 1):
        assert (only_batch().status, only_batch().outcome_unknown_at) == ("pending", None)
        time_passes()
        sweep_and_work()
    finish_everything()
    check_sent_once(provider, ids)
    assert len(batch_calls(provider)) == REFUSED_TRIES
    assert only_batch().status == "dissolved"


def test_a_refusal_after_an_unclear_answer_proves_nothing_so_only_the_same_batch_is_sent_again(provider: SimulatorClient) -> None:
    answer_with(provider, cut_after(), fails("validation_error"), fails("something_new"), fails("rate_limit_exceeded", retry_after=40))
    ids = queue(4)
    drain()
    for attempts in (1, 2, 3, 3):  # the last one was deferred
        assert (only_batch().status, only_batch().attempts) == ("pending", attempts)
        assert only_batch().outcome_unknown_at is not None
        time_passes()
        sweep_and_work()
    check_sent_once(provider, ids)
    assert provider.requests()["paths"] == {"POST /emails/batch": 5}


def test_a_key_that_was_used_for_another_body_needs_a_person(provider: SimulatorClient) -> None:
    answer_with(provider, fails("invalid_idempotent_request"))
    ids = queue(4)
    drain()
    time_passes()
    sweep_and_work()
    assert provider.requests()["total"] == 1
    assert only_batch().status == "failed"
    assert {(row.status, row.outcome_unknown_at is not None) for row in rows_of(ids)} == {("failed", True)}
    assert {(failure_of(row).reason, failure_of(row).needs_confirmation) for row in ids} == {("idempotency_conflict", True)}


def test_a_429_is_waited_out_and_no_attempt_is_counted(provider: SimulatorClient) -> None:
    answer_with(provider, fails("rate_limit_exceeded", retry_after=1))
    ids = queue(4)
    drain()
    check_sent_once(provider, ids)
    assert (only_batch().attempts, {row.attempts for row in rows_of(ids)}) == (1, {1})
    assert {call["idempotency_key"] for call in batch_calls(provider)} == {f"redrive-batch/{only_batch().id}"}


def test_a_429_for_half_a_minute_keeps_the_batch_together(provider: SimulatorClient) -> None:
    answer_with(provider, fails("rate_limit_exceeded", retry_after=30))
    ids = queue(4)
    drain()
    batch = only_batch()
    assert (batch.status, batch.attempts, batch.outcome_unknown_at) == ("pending", 0, None)
    assert timedelta(seconds=20) < batch.next_attempt_at - datetime.now(UTC) <= timedelta(seconds=30)
    assert {log_of(row)[-1].event for row in ids} == {"deferred"}
    time_passes()
    sweep_and_work()
    check_sent_once(provider, ids)
    assert (only_batch().status, only_batch().attempts) == ("sent", 1)


@pytest.mark.parametrize("period", ["daily", "monthly"])
def test_a_used_up_quota_defers_all_mails_of_the_batch_without_attempts(provider: SimulatorClient, period: str) -> None:
    quota: dict[str, Any] = {f"{period}_quota": 2}
    provider.script_resend(**quota)
    ids = queue(6)
    drain()
    assert provider.requests()["total"] == 1, "the others are spared their request"
    assert {batch.status for batch in batches()} == {"dissolved"}
    for row in rows_of(ids):
        assert (row.status, row.attempts, row.outcome_unknown_at, row.batch_id) == ("pending", 0, None, None)
    held = rows_of(ids[:4])
    assert all(f"{period} quota" in (row.last_error or "") and row.next_attempt_at > datetime.now(UTC) for row in held)
    assert [line.event for line in log_of(ids[0])] == ["queued", "deferred"]
    assert not drain(), "nothing is claimed while the quota is used up"
    provider.script_resend(daily_quota=0, monthly_quota=0)
    finish_everything()
    check_sent_once(provider, ids)
    assert {mail.batch_index for mail in provider.emails()} == {0, 1, 2, 3}, "they left in batches after all"
    assert {row.attempts for row in rows_of(ids)} == {1}


def test_while_the_provider_is_down_a_batch_waits_without_attempts(provider: SimulatorClient) -> None:
    ids = queue(4)
    attempt = form()
    for _ in range(FAILURES):
        circuit().failed()
    with pytest.raises(CircuitOpen) as away:
        attempt.run()
    settle(send_email_batch, attempt.claim, away.value)
    assert (only_batch().status, only_batch().attempts, only_batch().outcome_unknown_at) == ("pending", 0, None)
    queue(1)
    assert not drain(), "no other batch is begun"
    assert (states(), provider.requests()["total"]) == ({"running": 4, "pending": 1}, 0)
    time_passes()
    sweep_and_work()
    assert {(row.status, row.attempts) for row in rows_of(ids)} == {("sent", 1)}


def test_a_batch_of_unknown_outcome_is_not_repeated_when_the_provider_has_forgotten_its_key(provider: SimulatorClient) -> None:
    answer_with(provider, cut_before())
    ids = queue(4)
    drain()
    provider.advance_clock(24 * 3600)
    with transaction() as session:
        for table in ("notifications", "email_batches"):
            session.execute(text(f"UPDATE {table} SET outcome_unknown_at = outcome_unknown_at - interval '1 day'"))
    time_passes()
    sweep_and_work()
    assert (only_batch().status, provider.requests()["total"]) == ("failed", 1)
    for row in rows_of(ids):
        failure = failure_of(row.id)
        assert (row.status, row.outcome_unknown_at is not None, log_of(row.id)[-1].event) == ("failed", True, "dead")
        assert (failure.reason, failure.needs_confirmation, failure.operation_name) == ("outcome_unknown", True, "tasks.send_welcome_email")
        assert "may already have been sent" in failure.error_message
        with pytest.raises(ConfirmationNeeded), transaction() as session:
            redrive_operation(session, failure.id, actor="cli:alice")
    for notification_id in ids:
        with transaction() as session:
            redrive_operation(session, failure_of(notification_id).id, actor="cli:alice", confirmed=True)
    sweep_and_work()
    check_sent_once(provider, ids)
    assert {mail.idempotency_key for mail in provider.emails()} == {f"redrive/{notification_id}/2" for notification_id in ids}
    assert {failure_of(notification_id).resolved_by for notification_id in ids} == {"redrive"}
