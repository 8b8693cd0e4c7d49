"""Promised emails and the Procfile's own worker and beat."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text

from models.connection import transaction
from models.failed_operations import FailedOperation
from models.notifications import Notification
from simulator.control import SimulatorClient
from simulator.script import Rule, cut_after, fails, without_id
from tasks.emails import kind_of
from tasks.envelope import Message
from tasks.publishing import publish, redis_client
from tests.eventually import eventually
from tests.fixtures.processes import ProcfileProcess, ProcfileProcessFactory
from tests.mailing import log_of, row_of

Promise = Callable[..., UUID]
QUICK = {"LEASE_SECONDS": "3", "SWEEP_SECONDS": "0.5", "PUBLISH_GRACE_SECONDS": "0.5", "VISIBILITY_TIMEOUT_SECONDS": "4"}
WELL = {"name": "Ada"}


@pytest.fixture
def start(mail_server: SimulatorClient, procfile_process: ProcfileProcessFactory) -> Callable[..., ProcfileProcess]:
    """``start("worker", RETRY_UNIT_SECONDS="0.1")``."""
    return lambda name, **env: procfile_process(name, {**QUICK, "RETRY_UNIT_SECONDS": "0.02", **env})


def finished(notification_id: UUID, within_seconds: float = 20) -> Notification:
    eventually(lambda: row_of(notification_id).finished_at, within_seconds)
    return row_of(notification_id)


def failure_of(notification_id: UUID) -> FailedOperation:
    with transaction() as session:
        return session.execute(select(FailedOperation).where(FailedOperation.operation_id == notification_id)).scalar_one()


def queue_by_sql(**arguments: object) -> UUID:
    names = ", ".join(f"p_{name} := :{name}" for name in arguments)
    values = {name: json.dumps(value) if isinstance(value, Mapping) else value for name, value in arguments.items()}
    with transaction() as session:
        return UUID(str(session.execute(text(f"SELECT queue_notification({names})"), values).scalar_one()))


def purchase() -> dict[str, Any]:
    return kind_of("purchase").sample.model_dump(mode="json")


def test_a_failing_provider_is_asked_again_after_about_2_4_and_8_units_and_the_log_says_so(
    promise: Promise, mail_server: SimulatorClient, start: Callable[..., ProcfileProcess]
) -> None:
    mail_server.script_resend(rules=[Rule(action=fails("application_error"), times=3)])
    notification_id = promise("purchase", purchase())
    start("worker", RETRY_UNIT_SECONDS="0.1")
    row = finished(notification_id)
    assert (row.status, row.attempts) == ("sent", 4)
    lines = log_of(notification_id)
    assert [line.event for line in lines] == ["queued", *["attempted"] * 4, "sent"]
    assert [line.detail["outcome"] for line in lines[1:5]] == ["unknown"] * 3 + ["sent"]
    pauses = [(later.occurred_at - earlier.occurred_at).total_seconds() for earlier, later in pairwise(lines[1:5])]
    for pause, step in zip(pauses, (0.2, 0.4, 0.8), strict=True):
        assert step <= pause <= step * 1.25 + 1, pauses


def test_each_kind_gives_up_after_its_own_number_of_retries(
    promise: Promise, mail_server: SimulatorClient, start: Callable[..., ProcfileProcess]
) -> None:
    mail_server.script_resend(rules=[Rule(action=fails("application_error"))])
    expected = {"welcome": 1, "refund": 2, "purchase": 3}
    promised = {name: promise(name, kind_of(name).sample.model_dump(mode="json")) for name in expected}
    worker = start("worker")
    for name, retries in expected.items():
        row = finished(promised[name])
        assert (row.status, row.attempts) == ("failed", retries + 1)
        failure = failure_of(promised[name])
        assert (failure.operation_type, failure.reason, failure.attempts) == ("email", "retries_exhausted", retries + 1)
        assert failure.operation_name == f"tasks.send_{name}_email"
        assert failure.event_data["recipient_email"] == "ada@example.com"
        assert log_of(promised[name])[-1].event == "dead"
    assert "@example.com" not in worker.log, "no addresses in logs"


def test_what_can_never_be_sent_is_dead_after_one_attempt(
    promise: Promise, mail_server: SimulatorClient, start: Callable[..., ProcfileProcess]
) -> None:
    mail_server.script_resend(rules=[Rule(action=fails("validation_error", message="Invalid `to` field: bad@example.com"), to="bad@*")])
    bad, good, old = promise(to="bad@example.com"), promise(to="good@example.com"), promise(to="old@example.com")
    with transaction() as session:
        session.execute(text("UPDATE notifications SET outcome_unknown_at = now() - interval '2 days' WHERE id = :id"), {"id": old})
    worker = start("worker")
    assert (finished(bad).status, finished(good).status) == ("failed", "sent")
    assert row_of(bad).attempts == 1
    assert failure_of(bad).reason == "invalid_recipient"
    assert (finished(old).status, failure_of(old).reason, failure_of(old).needs_confirmation) == ("failed", "outcome_unknown", True)
    assert "may already have been sent" in failure_of(old).error_message
    assert {mail.to[0] for mail in mail_server.emails()} == {"good@example.com"}
    assert "@example.com" not in worker.log


def test_doubled_messages_send_one_email(promise: Promise, mail_server: SimulatorClient, start: Callable[..., ProcfileProcess]) -> None:
    notification_id = promise()
    publish([Message("tasks.send_welcome_email", (str(notification_id),), "emails")] * 9)
    start("worker")
    finished(notification_id)
    eventually(lambda: not redis_client(timeout_seconds=2).exists("emails", "unacked"), 20)  # all were taken, and ended
    assert (len(mail_server.emails()), mail_server.requests()["total"]) == (1, 1)
    assert [line.event for line in log_of(notification_id)] == ["queued", "attempted", "sent"]


def test_a_worker_killed_between_the_providers_200_and_our_commit_sends_no_second_email(
    promise: Promise, mail_server: SimulatorClient, start: Callable[..., ProcfileProcess]
) -> None:
    notification_id = promise("welcome", WELL)
    start("worker", CELERY_WORKER_INCLUDE="tests.integration.emails.dying_sender")
    start("beat")
    row = finished(notification_id, 30)
    [mail] = mail_server.emails()
    assert mail_server.requests()["total"] == 2
    assert (row.status, row.provider_message_id, row.outcome_unknown_at) == ("sent", mail.id, None)


def test_mails_that_were_taken_without_a_clear_answer_are_not_sent_twice(
    promise: Promise, mail_server: SimulatorClient, start: Callable[..., ProcfileProcess]
) -> None:
    mail_server.script_resend(rules=[Rule(action=cut_after(), to="cut@*", times=1), Rule(action=without_id(), to="no-id@*", times=1)])
    ids = [promise(to=f"{name}@example.com") for name in ("cut", "no-id")]
    start("worker")
    assert [finished(notification_id).status for notification_id in ids] == ["sent", "sent"]
    assert mail_server.summary().accepted == 2
    assert not mail_server.summary().duplicate_dedupe_headers


def test_a_limit_of_the_provider_defers_without_counting_an_attempt(
    promise: Promise, mail_server: SimulatorClient, start: Callable[..., ProcfileProcess]
) -> None:
    mail_server.script_resend(rules=[Rule(action=fails("daily_quota_exceeded", retry_after=1), times=2)])
    notification_id = promise()
    start("worker")
    start("beat")
    row = finished(notification_id, 30)
    assert (row.status, row.attempts) == ("sent", 1)
    deferred = [line for line in log_of(notification_id) if line.event == "deferred"]
    assert len(deferred) == 2
    assert "daily quota" in deferred[0].detail["why"]


def test_emails_queued_by_sql_leave_too_and_wrong_ones_become_failed_operations(
    promise: Promise, start: Callable[..., ProcfileProcess]
) -> None:
    good = queue_by_sql(type="welcome", recipient_email="ada@example.com", payload=WELL, dedupe_key="welcome/1")
    unknown = queue_by_sql(type="birthday", recipient_email="ada@example.com", payload=WELL)
    invalid = queue_by_sql(type="purchase", recipient_email="ada@example.com", payload={"total_cents": "much"})
    later = queue_by_sql(type="welcome", recipient_email="ada@example.com", send_at="2100-01-01T00:00:00Z")
    start("worker")
    start("beat")
    assert finished(good).status == "sent"
    assert (finished(unknown).status, failure_of(unknown).reason) == ("failed", "unknown_kind")
    assert "there is no kind of email called 'birthday'" in failure_of(unknown).error_message
    assert (finished(invalid).status, failure_of(invalid).reason) == ("failed", "invalid_payload")
    assert "total_cents: Input should be a valid integer" in failure_of(invalid).error_message
    assert row_of(later).status == "pending"
    assert timedelta() < finished(good).sent_at - row_of(good).created_at < timedelta(seconds=60)  # type: ignore[operator]
