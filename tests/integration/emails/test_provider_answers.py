"""Every answer that Resend gives, over real HTTP through the real SDK, and what it means to us."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from local.ports import free_port
from settings import get_settings
from simulator.control import SimulatorClient
from simulator.script import Action, Rule, bad_gateway, cut_after, cut_before, fails, not_json, without_id
from tasks.errors import Deferred, OutcomeUnknown, PermanentFailure, RetryLater
from tasks.mail.mail_provider import Mail, send
from tasks.mail.resend_errors import (
    DomainNotVerified,
    HeldBySecurityCheck,
    IdempotencyConflict,
    InvalidApiKey,
    InvalidMail,
    InvalidRecipient,
    InvalidSender,
    NoClearAnswer,
    NotReached,
    NotTaken,
    QuotaExceeded,
    RateLimited,
    Unrecognised,
    WrongAddressOfProvider,
)


def mail(key: str = "key/1", *, subject: str = "Hello") -> Mail:
    return Mail(
        reference="reference",
        kind="welcome",
        idempotency_key=key,
        sender="Shop <shop@example.com>",
        reply_to="support@example.com",
        recipient="ada@example.com",
        subject=subject,
        html="<p>Hello</p>",
        text="Hello",
    )


@pytest.fixture
def provider(simulator_process: SimulatorClient, monkeypatch: pytest.MonkeyPatch) -> SimulatorClient:
    """The simulated Resend alone: no database, no Redis."""
    simulator_process.reset()
    monkeypatch.setenv("RESEND_API_URL", simulator_process.resend_api_url)
    monkeypatch.setenv("RESEND_API_KEY", "re_test")
    monkeypatch.setattr("tasks.mail.mail_provider.get_settings", get_settings.__wrapped__)
    return simulator_process


GIVES_UP: list[tuple[Action, type[PermanentFailure]]] = [
    (fails("validation_error", message="Invalid `to` field."), InvalidRecipient),
    (fails("validation_error", message="The subject is odd."), InvalidMail),
    (Action(kind="error", error="validation_error", status=400), InvalidMail),
    (Action(kind="error", error="validation_error", status=403, message="The domain is not verified."), DomainNotVerified),
    (fails("missing_required_field"), InvalidMail),
    (fails("invalid_parameter"), InvalidMail),
    (fails("invalid_attachment"), InvalidMail),
    (fails("invalid_idempotency_key"), InvalidMail),
    (fails("invalid_from_address"), InvalidSender),
    (fails("missing_api_key"), InvalidApiKey),
    (fails("invalid_api_key"), InvalidApiKey),
    (fails("restricted_api_key"), InvalidApiKey),
    (fails("not_found"), WrongAddressOfProvider),
    (fails("method_not_allowed"), WrongAddressOfProvider),
    (fails("security_error"), HeldBySecurityCheck),
]
TRIES_AGAIN = [
    fails("application_error"),
    fails("internal_server_error"),
    Action(kind="error", error="service_unavailable", status=503),
    Action(kind="error", error="request_timeout", status=408),
    fails("concurrent_idempotent_requests"),
    bad_gateway(),
    cut_before(),
    cut_after(),
    without_id(),
    not_json(),
]


def test_what_can_never_work_is_given_up_with_its_reason(provider: SimulatorClient) -> None:
    for action, error in GIVES_UP:
        provider.script_resend(rules=[Rule(action=action)])
        with pytest.raises(error) as raised:
            send(mail())
        assert isinstance(raised.value, NotTaken), action
        assert not raised.value.needs_confirmation
    assert len({error.reason for _, error in GIVES_UP}) == len({error for _, error in GIVES_UP})


def test_what_may_pass_is_tried_again_and_the_mail_may_have_been_taken(provider: SimulatorClient) -> None:
    for action in TRIES_AGAIN:
        provider.script_resend(rules=[Rule(action=action)])
        with pytest.raises(NoClearAnswer) as raised:
            send(mail())
        assert not isinstance(raised.value, NotTaken), action


def test_what_the_table_does_not_know_is_tried_again(provider: SimulatorClient) -> None:
    provider.script_resend(rules=[Rule(action=Action(kind="error", error="something_new", status=418))])
    with pytest.raises(Unrecognised, match="418 something_new"):
        send(mail())


def test_the_provider_may_say_how_long_to_wait(provider: SimulatorClient) -> None:
    waits: list[tuple[Action, type[Deferred | RetryLater]]] = [
        (fails("rate_limit_exceeded", retry_after=7), RateLimited),
        (fails("daily_quota_exceeded", retry_after=7), QuotaExceeded),
        (Action(kind="error", error="service_unavailable", status=503, retry_after=7), NoClearAnswer),
    ]
    for action, error in waits:
        provider.script_resend(rules=[Rule(action=action)])
        with pytest.raises(error) as raised:
            send(mail())
        assert isinstance(raised.value, (Deferred, RetryLater))
        assert raised.value.delay == timedelta(seconds=7)


def test_a_retry_after_of_years_is_not_believed(provider: SimulatorClient) -> None:
    provider.script_resend(rules=[Rule(action=fails("rate_limit_exceeded", retry_after=99_999_999))])
    with pytest.raises(RateLimited) as raised:
        send(mail())
    assert raised.value.delay == timedelta(hours=1)


@pytest.mark.parametrize("period", ["daily", "monthly"])
def test_a_used_up_quota_waits_for_the_next_day_and_says_so(provider: SimulatorClient, period: str) -> None:
    provider.script_resend(rules=[Rule(action=fails(f"{period}_quota_exceeded"))])
    with pytest.raises(QuotaExceeded, match=f"{period} quota.* waits until .* 00:01 UTC") as raised:
        send(mail())
    assert timedelta() < raised.value.delay <= timedelta(days=1, minutes=1)
    assert (datetime.now(UTC) + raised.value.delay).strftime("%H:%M") in {"00:00", "00:01"}


def test_the_same_key_with_another_body_needs_a_person(provider: SimulatorClient) -> None:
    send(mail())
    with pytest.raises(IdempotencyConflict, match="may already have been sent") as raised:
        send(mail(subject="Another"))
    assert isinstance(raised.value, OutcomeUnknown)


def test_the_same_mail_again_is_the_same_mail(provider: SimulatorClient) -> None:
    assert send(mail()) == send(mail())
    assert len(provider.emails()) == 1


def test_no_address_stands_in_an_error(provider: SimulatorClient) -> None:
    provider.script_resend(
        rules=[Rule(action=fails("validation_error", message="Invalid `to` field: 'Ada <ada@example.com>', eve@x.org."))]
    )
    with pytest.raises(InvalidRecipient) as raised:
        send(mail())
    assert "@" not in str(raised.value)
    assert raised.value.__suppress_context__


def test_a_provider_that_cannot_be_reached_has_taken_nothing(provider: SimulatorClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESEND_API_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(NotReached):
        send(mail())
