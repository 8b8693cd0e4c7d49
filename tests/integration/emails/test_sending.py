"""One attempt at sending, against a real HTTP server that behaves as Resend does."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from models.connection import transaction
from models.suppressions import Suppression
from models.users import User
from models.work import LeaseLostError
from settings import Settings, get_settings
from simulator.control import SimulatorClient
from simulator.script import Action, Rule, cut_after, cut_before, fails, without_id
from tasks.emails import kind_names, kind_of
from tasks.errors import OutcomeUnknown
from tasks.mail import mail_provider
from tasks.mail.resend_errors import (
    IdempotencyConflict,
    InvalidRecipient,
    NoClearAnswer,
    RateLimited,
)
from tasks.mail.send_attempt import SendAttempt
from tests.mailing import attempt, claim, log_of, put_back, row_of

Promise = Callable[..., UUID]


@pytest.mark.parametrize("kind", kind_names())
def test_every_kind_is_sent_and_remembered(promise: Promise, mail_server: SimulatorClient, kind: str) -> None:
    sample = kind_of(kind).sample.model_dump(mode="json")
    notification_id = promise(kind, sample, to="ada@example.com")
    assert attempt(notification_id) == "sent"
    [mail] = mail_server.emails()
    row = row_of(notification_id)
    assert (row.status, row.provider_message_id, row.outcome_unknown_at) == ("sent", mail.id, None)
    assert row.sent_at is not None
    assert (mail.to, mail.subject, mail.html, mail.text) == (["ada@example.com"], row.subject, row.html_body, row.text_body)
    assert mail.idempotency_key == f"redrive/{notification_id}/1"
    assert mail.headers["X-Entity-Ref-ID"] == str(notification_id)
    assert {tag["name"]: tag["value"] for tag in mail.tags} == {"notification_id": str(notification_id), "kind": kind}


def test_the_log_tells_the_story(promise: Promise, mail_server: SimulatorClient) -> None:
    notification_id = promise()
    attempt(notification_id)
    [mail] = mail_server.emails()
    queued, attempted, sent = log_of(notification_id)
    assert (queued.event, attempted.event, sent.event) == ("queued", "attempted", "sent")
    assert (attempted.attempt, attempted.detail) == (1, {"outcome": "sent"})
    assert attempted.duration_ms is not None
    assert sent.detail == {"provider_message_id": mail.id}


def test_times_are_those_of_the_reader(promise: Promise, mail_server: SimulatorClient) -> None:
    with transaction() as session:
        user = User(email="ada@example.com", name="Ada", time_zone="Asia/Tokyo")
        session.add(user)
    sample = kind_of("purchase").sample.model_dump(mode="json") | {"purchased_at": "2026-11-03T17:42:00Z"}
    attempt(promise("purchase", sample, user_id=user.id))
    [mail] = mail_server.emails()
    assert "November 4, 2026, 2:42\N{NO-BREAK SPACE}AM JST" in str(mail.text)


def test_a_definite_refusal_leaves_nothing_unknown(promise: Promise, mail_server: SimulatorClient) -> None:
    mail_server.script_resend(rules=[Rule(action=fails("validation_error", message="Invalid `to` field: ada@example.com"))])
    notification_id = promise()
    with pytest.raises(InvalidRecipient):
        attempt(notification_id)
    assert row_of(notification_id).outcome_unknown_at is None
    line = log_of(notification_id)[-1]
    assert (line.event, line.detail["outcome"], line.detail["error"]) == ("attempted", "failed", "InvalidRecipient")
    assert "ada@" not in str(line.detail)


@pytest.mark.parametrize(("action", "taken"), [(cut_before(), 0), (cut_after(), 1), (without_id(), 1)], ids=["before", "after", "no id"])
def test_an_unclear_answer_leaves_the_outcome_unknown_and_another_try_sends_no_second_mail(
    promise: Promise, mail_server: SimulatorClient, action: Action, taken: int
) -> None:
    mail_server.script_resend(rules=[Rule(action=action, times=1)])
    notification_id = promise()
    held = claim(notification_id)
    with pytest.raises(NoClearAnswer):
        SendAttempt(held).run()
    assert row_of(notification_id).outcome_unknown_at is not None
    assert log_of(notification_id)[-1].detail["outcome"] == "unknown"
    assert len(mail_server.emails()) == taken
    put_back(held)
    assert attempt(notification_id) == "sent"
    assert len(mail_server.emails()) == 1
    assert row_of(notification_id).provider_message_id == mail_server.emails()[0].id


def test_a_refusal_does_not_forget_that_an_earlier_attempt_may_have_sent_it(promise: Promise, mail_server: SimulatorClient) -> None:
    mail_server.script_resend(rules=[Rule(action=cut_before(), times=1), Rule(action=fails("rate_limit_exceeded"), times=1)])
    notification_id = promise()
    held = claim(notification_id)
    with pytest.raises(NoClearAnswer):
        SendAttempt(held).run()
    first = row_of(notification_id).outcome_unknown_at
    put_back(held)
    with pytest.raises(RateLimited):
        attempt(notification_id)
    assert row_of(notification_id).outcome_unknown_at == first is not None


def test_the_body_is_frozen_at_the_first_attempt(
    promise: Promise, mail_server: SimulatorClient, app_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mail_server.script_resend(rules=[Rule(action=cut_after(), times=1)])
    notification_id = promise()
    held = claim(notification_id)
    with pytest.raises(NoClearAnswer):
        SendAttempt(held).run()
    _change_everything_that_a_mail_is_made_of(notification_id, monkeypatch)
    put_back(held)
    assert attempt(notification_id) == "sent"  # other bytes under the same key would be a 409
    assert len(mail_server.emails()) == 1


def _change_everything_that_a_mail_is_made_of(notification_id: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SHOP_NAME", "SUPPORT_EMAIL", "EMAIL_FROM"):
        monkeypatch.setenv(name, "other@example.com")
    get_settings.cache_clear()
    with transaction() as session:
        payload = json.dumps({"name": "Somebody else"})
        session.execute(text("UPDATE notifications SET payload = CAST(:p AS jsonb) WHERE id = :id"), {"p": payload, "id": notification_id})


def test_another_body_under_the_same_key_waits_for_a_person(promise: Promise, mail_server: SimulatorClient) -> None:
    mail_server.script_resend(rules=[Rule(action=cut_after(), times=1)])
    notification_id = promise()
    held = claim(notification_id)
    with pytest.raises(NoClearAnswer):
        SendAttempt(held).run()
    with transaction() as session:
        session.execute(text("UPDATE notifications SET subject = 'Another' WHERE id = :id"), {"id": notification_id})
    put_back(held)
    with pytest.raises(IdempotencyConflict, match="may already have been sent") as raised:
        attempt(notification_id)
    assert raised.value.needs_confirmation
    assert len(mail_server.emails()) == 1


@pytest.mark.parametrize(("age", "sent"), [(timedelta(hours=23), True), (timedelta(hours=24), False), (timedelta(days=3), False)])
def test_an_unknown_outcome_is_not_repeated_once_the_provider_forgot_the_key(
    promise: Promise, mail_server: SimulatorClient, age: timedelta, sent: bool
) -> None:
    notification_id = promise()
    with transaction() as session:
        statement = text("UPDATE notifications SET outcome_unknown_at = now() - CAST(:age AS interval) WHERE id = :id")
        session.execute(statement, {"age": age, "id": notification_id})
    if sent:
        assert attempt(notification_id) == "sent"
        return
    with pytest.raises(OutcomeUnknown, match="may already have been sent") as raised:
        attempt(notification_id)
    assert raised.value.needs_confirmation
    assert mail_server.emails() == []


def test_a_mail_that_was_only_refused_may_be_sent_days_later(promise: Promise, mail_server: SimulatorClient) -> None:
    mail_server.script_resend(rules=[Rule(action=fails("rate_limit_exceeded"), times=1)])
    notification_id = promise()
    held = claim(notification_id)
    with pytest.raises(RateLimited):
        SendAttempt(held).run()
    with transaction() as session:
        session.execute(text("UPDATE notifications SET first_attempt_at = now() - interval '3 days'"))
    put_back(held)
    assert attempt(notification_id) == "sent"


def test_a_suppressed_address_gets_no_mail(promise: Promise, mail_server: SimulatorClient) -> None:
    with transaction() as session:
        session.add(Suppression(email="ada@example.com", reason="complained"))
    notification_id = promise(to="Ada@Example.com")
    assert attempt(notification_id) == "suppressed"
    assert row_of(notification_id).status == "suppressed"
    assert log_of(notification_id)[-1].event == "suppressed"
    assert mail_server.requests()["total"] == 0


def test_an_attempt_that_lost_its_lease_writes_nothing(promise: Promise) -> None:
    notification_id = promise()
    held = claim(notification_id)
    put_back(held)
    newer = claim(notification_id)
    with pytest.raises(LeaseLostError):
        SendAttempt(held).run()
    assert SendAttempt(newer).run() == "sent"
    assert [line.event for line in log_of(notification_id)] == ["queued", "attempted", "sent"]


def test_no_transaction_is_open_while_the_provider_thinks(promise: Promise, mail_server: SimulatorClient, monkeypatch: Any) -> None:
    seen: list[int] = []
    real = mail_provider.send

    def send(mail: mail_provider.Mail) -> str:
        with transaction() as session:
            busy = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%' AND datname = current_database()"
            seen.append(session.execute(text(busy)).scalar_one())
        return real(mail)

    monkeypatch.setattr(mail_provider, "send", send)
    attempt(promise())
    assert seen == [0]


def test_an_error_of_the_database_does_not_show_what_the_mail_says(app_settings: Settings) -> None:
    with transaction() as session, pytest.raises(DBAPIError) as raised:
        session.execute(text("SELECT 1 / (length(:body) - length(:body))"), {"body": "Dear ada@example.com"})
    assert "ada@example.com" not in str(raised.value)
