"""When many mails wait they leave in batches: who goes with whom, who does not, and what is known of each mail afterwards."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from cli.main import redrive
from models.connection import transaction
from models.email_batches import mail_in_batch
from models.notification_lists import cancel
from models.suppressions import suppress
from simulator.control import SimulatorClient
from tasks.emails import last_check
from tasks.mail.recipient_limit import RecipientLimit
from tasks.publishing import redis_client
from tests.batching import (
    batch_calls,
    batches,
    check_sent_once,
    drain,
    failure_of,
    form,
    only_batch,
    queue,
    rows_of,
    sweep_and_work,
    time_passes,
)
from tests.integration.emails.conftest import SetTo
from tests.mailing import log_of, row_of
from tests.reminding import HOUR, add_meeting, change_meeting, claims, database_time, make_leave_now, reminders, swept


def events_of(notification_id: UUID) -> list[str]:
    return [line.event for line in log_of(notification_id)]


def test_many_mails_leave_a_hundred_in_a_call_the_longest_waiting_first(provider: SimulatorClient, set_to: SetTo) -> None:
    set_to(EMAIL_BATCH_SIZE=100)
    ids = queue(230)
    form().run()
    assert {mail.dedupe for mail in provider.emails()} == set(map(str, ids[:100]))
    sweep_and_work()
    check_sent_once(provider, ids)
    assert sorted(call["mails"] for call in batch_calls(provider)) == [30, 100, 100]
    assert provider.requests()["total"] == 3, "none left alone"


def test_each_mail_of_a_batch_has_its_own_attempt_log_and_provider_id(provider: SimulatorClient) -> None:
    ids = queue(3, payload={"name": "Ada"})
    drain()
    check_sent_once(provider, ids)
    batch = only_batch()
    assert (batch.status, batch.notification_ids) == ("sent", ids)
    for row in rows_of(ids):
        assert (row.attempts, row.batch_id, row.lease_holder, row.last_error) == (1, batch.id, None, None)
        queued, attempted, sent = log_of(row.id)
        assert (queued.event, attempted.event, sent.event) == ("queued", "attempted", "sent")
        assert (attempted.attempt, attempted.detail) == (1, {"outcome": "sent", "batch_id": str(batch.id)})
        assert attempted.duration_ms is not None
        assert sent.detail == {"provider_message_id": row.provider_message_id}


def test_an_operator_sees_that_a_mail_left_in_a_batch_and_what_it_said(provider: SimulatorClient) -> None:
    ids = queue(2, payload={"name": "Ada"})
    drain()
    [_, accepted] = provider.emails()
    batch = only_batch()
    with transaction() as session:
        mail = mail_in_batch(session, ids[1], batch.id)
    assert mail is not None
    assert (mail["to"], mail["subject"], mail["html"], mail["text"]) == (["1@example.com"], accepted.subject, accepted.html, accepted.text)
    shown = CliRunner().invoke(redrive, ["notifications", "show", str(ids[1])], env={"COLUMNS": "220"}).output
    assert str(batch.id) in shown
    assert accepted.subject in shown
    told = json.loads(CliRunner().invoke(redrive, ["notifications", "show", "--json", str(ids[1])]).output)
    assert (told["batch_id"], told["subject"]) == (str(batch.id), accepted.subject)


def test_one_bad_address_does_not_stop_the_others_and_ends_as_a_failed_operation_of_its_own(
    provider: SimulatorClient, set_to: SetTo
) -> None:
    set_to(EMAIL_BATCH_SIZE=100)
    ids = queue(100)
    bad = ids.pop(60)
    with transaction() as session:
        session.execute(text("UPDATE notifications SET recipient_email = 'bad@nowhere' WHERE id = :id"), {"id": bad})
    drain()
    check_sent_once(provider, ids)
    assert (row_of(bad).status, row_of(bad).attempts, events_of(bad)) == ("pending", 0, ["queued", "attempted"])
    assert "bad@nowhere" not in (row_of(bad).last_error or "")
    sweep_and_work()
    row, failure = row_of(bad), failure_of(bad)
    assert (row.status, row.attempts, row.outcome_unknown_at) == ("failed", 1, None)
    assert (failure.reason, failure.needs_confirmation, failure.operation_name) == ("invalid_recipient", False, "tasks.send_welcome_email")
    assert [call["outcome"] for call in provider.requests()["requests"]] == ["accepted", "validation_error"]
    assert events_of(bad)[-1] == "dead"


def test_a_batch_of_bad_addresses_alone_is_dissolved(provider: SimulatorClient) -> None:
    ids = queue(3, to="bad@nowhere")
    drain()
    assert (only_batch().status, only_batch().body) == ("dissolved", None)
    sweep_and_work()
    assert {(row.status, failure_of(row.id).reason) for row in rows_of(ids)} == {("failed", "invalid_recipient")}
    assert provider.summary().accepted == 0


def test_a_cancelled_mail_and_one_for_later_stay_out_of_the_batch(provider: SimulatorClient) -> None:
    first, cancelled, later, last = queue(4)
    with transaction() as session:
        assert cancel(session, cancelled, actor="test")
        session.execute(text("UPDATE notifications SET send_at = next_attempt_at + interval '1 day' WHERE id = :id"), {"id": later})
        session.execute(text("UPDATE notifications SET next_attempt_at = send_at, sweep_at = send_at WHERE id = :id"), {"id": later})
    drain()
    check_sent_once(provider, [first, last])
    assert [(row.status, row.attempts, row.batch_id) for row in rows_of([cancelled, later])] == [
        ("cancelled", 0, None),
        ("pending", 0, None),
    ]


def test_a_mail_in_a_batch_cannot_be_cancelled_any_more(provider: SimulatorClient) -> None:
    ids = queue(2)
    attempt = form()
    with transaction() as session:
        assert cancel(session, ids[0], actor="test") is False
    attempt.run()
    check_sent_once(provider, ids)


def test_a_suppressed_address_gets_nothing_and_its_mail_says_so(provider: SimulatorClient) -> None:
    suppressed, *others = queue(3)
    with transaction() as session:
        suppress(session, "0@example.com", reason="bounced", at=datetime.now(UTC))
    drain()
    check_sent_once(provider, others)
    assert row_of(suppressed).status == "suppressed"
    assert (events_of(suppressed), row_of(suppressed).outcome_unknown_at) == (["queued", "suppressed"], None)


def test_what_is_no_longer_wanted_is_dropped_before_the_batch_is_made(provider: SimulatorClient, monkeypatch: pytest.MonkeyPatch) -> None:
    unwanted, *others = queue(3)
    monkeypatch.setattr(last_check, "_checks", [lambda _session, leaving: {one.id: "over" for one in leaving if one.id == unwanted}])
    drain()
    check_sent_once(provider, others)
    assert (row_of(unwanted).status, events_of(unwanted)) == ("dropped", ["queued", "dropped"])
    assert log_of(unwanted)[-1].detail == {"why": "over"}


def test_the_reminder_of_a_cancelled_meeting_is_dropped_and_its_claim_released(provider: SimulatorClient) -> None:
    tomorrow = database_time() + 24 * HOUR
    stands, cancelled = add_meeting(tomorrow), add_meeting(tomorrow)
    swept()
    make_leave_now()
    change_meeting(cancelled, status="cancelled")
    assert (len(reminders()), len(claims())) == (2, 2)
    drain()
    [mail] = provider.emails()
    assert {row.status: row.last_error for row in reminders()} == {"sent": None, "dropped": "not sent: it was cancelled"}
    assert [claim.entity_id for claim in claims()] == [stands]
    assert mail.batch_index == 0


def test_a_batch_of_which_nothing_is_wanted_is_never_sent(provider: SimulatorClient, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = queue(3)
    monkeypatch.setattr(last_check, "_checks", [lambda _session, leaving: {one.id: "over" for one in leaving}])
    assert not drain()
    assert {row.status for row in rows_of(ids)} == {"dropped"}
    assert (only_batch().status, only_batch().body, provider.requests()["total"]) == ("dissolved", None, 0)


def test_mails_over_an_addresss_limit_wait_for_their_turn_and_no_attempt_is_counted(
    provider: SimulatorClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = RecipientLimit(redis_client(timeout_seconds=1), 2)
    monkeypatch.setattr("tasks.mail.before_sending.recipient_limit", lambda: limit)
    ids = queue(4, to="ada@example.com")
    drain()
    check_sent_once(provider, ids[:2])
    for row in rows_of(ids[2:]):
        assert (row.status, row.attempts, row.outcome_unknown_at, row.batch_id) == ("pending", 0, None, None)
        assert (events_of(row.id), row.next_attempt_at > row.created_at) == (["queued", "deferred"], True)
    redis_client(timeout_seconds=1).flushall()
    time_passes()
    drain()
    check_sent_once(provider, ids)
    assert len(batches()) == 2, "they may join another batch"


def test_a_mail_that_cannot_be_made_does_not_keep_the_others(provider: SimulatorClient) -> None:
    [broken], others = queue(1, "purchase", {"total_cents": "much"}), queue(3)
    drain()
    check_sent_once(provider, others)
    assert (row_of(broken).status, failure_of(broken).reason) == ("failed", "invalid_payload")
    assert not failure_of(broken).needs_confirmation


def test_a_check_that_breaks_over_a_batch_lets_each_mail_go_alone(provider: SimulatorClient, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = queue(3)

    def breaks(_session: object, leaving: object) -> dict[UUID, str]:
        if len(leaving) > 1:  # type: ignore[arg-type]
            raise ZeroDivisionError
        return {}

    monkeypatch.setattr(last_check, "_checks", [breaks])
    drain()
    assert provider.requests()["total"] == 0
    sweep_and_work()
    check_sent_once(provider, ids)
    assert {row.attempts for row in rows_of(ids)} == {1}


def test_a_mail_whose_last_attempt_crashed_is_tried_alone(provider: SimulatorClient) -> None:
    crashed, *others = queue(3)
    with transaction() as session:
        session.execute(text("UPDATE notifications SET crashes = 1 WHERE id = :id"), {"id": crashed})
    drain()
    check_sent_once(provider, others)
    sweep_and_work()
    check_sent_once(provider, [crashed, *others])
    assert row_of(crashed).batch_id is None
