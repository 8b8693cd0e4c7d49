"""How each refusal and failure of Resend reaches a caller of its SDK: by status and by name."""

from __future__ import annotations

import pytest
import resend
from resend.exceptions import ResendError

from simulator.control import SimulatorClient
from simulator.script import Action, Rule, bad_gateway, cut_before, fails, hang_after, not_json, without_id
from tests.eventually import eventually

Mail = resend.Emails.SendParams


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("validation_error", 422),
        ("missing_required_field", 422),
        ("missing_api_key", 401),
        ("restricted_api_key", 401),
        ("invalid_api_key", 403),
        ("not_found", 404),
        ("method_not_allowed", 405),
        ("invalid_idempotent_request", 409),
        ("concurrent_idempotent_requests", 409),
        ("rate_limit_exceeded", 429),
        ("daily_quota_exceeded", 429),
        ("monthly_quota_exceeded", 429),
        ("security_error", 451),
        ("application_error", 500),
        ("internal_server_error", 500),
    ],
)
def test_every_error_arrives_with_its_status_and_name(scripted: SimulatorClient, mail: Mail, name: str, status: int) -> None:
    scripted.script_resend(rules=[Rule(action=fails(name))])
    with pytest.raises(ResendError) as refused:
        resend.Emails.send(mail)
    assert (refused.value.code, refused.value.error_type) == (status, name)
    assert scripted.summary().accepted == 0


def test_beyond_the_rate_limit_the_answer_says_when_to_come_back(scripted: SimulatorClient, mail: Mail) -> None:
    scripted.script_resend(rate_limit_per_second=2)
    headers = resend.Emails.send(mail)["http_headers"]
    assert (headers["ratelimit-limit"], headers["ratelimit-remaining"], headers["ratelimit-reset"]) == ("2", "1", "1")
    refused = eventually(lambda: _refusal(mail), every_seconds=0.001)
    assert refused is not None
    assert refused.error_type == "rate_limit_exceeded"
    assert (refused.headers["retry-after"], refused.headers["ratelimit-remaining"]) == ("1", "0")


def _refusal(mail: Mail) -> ResendError | None:
    try:
        resend.Emails.send(mail)
    except ResendError as refused:
        return refused
    return None


def test_a_used_up_daily_quota_returns_on_the_next_day(scripted: SimulatorClient, mail: Mail) -> None:
    scripted.script_resend(daily_quota=1)
    resend.Emails.send(mail)
    with pytest.raises(ResendError) as refused:
        resend.Emails.send(mail)
    assert (refused.value.code, refused.value.error_type) == (429, "daily_quota_exceeded")
    scripted.advance_clock(24 * 3600)
    assert resend.Emails.send(mail)["id"]


def test_a_batch_beyond_the_monthly_quota_is_refused_whole(scripted: SimulatorClient, mail: Mail) -> None:
    scripted.script_resend(monthly_quota=2)
    with pytest.raises(ResendError) as refused:
        resend.Batch.send([mail, mail, mail])
    assert refused.value.error_type == "monthly_quota_exceeded"
    assert scripted.summary().accepted == 0


def test_a_domain_that_is_not_verified_is_a_403_of_its_own(scripted: SimulatorClient, mail: Mail) -> None:
    scripted.script_resend(unverified_domains=["example.com"])
    with pytest.raises(ResendError) as refused:
        resend.Emails.send({**mail, "from": "shop@example.com"})
    assert (refused.value.code, refused.value.error_type) == (403, "validation_error")


def test_a_key_that_may_only_send_cannot_read(scripted: SimulatorClient, mail: Mail) -> None:
    scripted.script_resend(restricted_keys=["re_contract"])
    email_id = resend.Emails.send(mail)["id"]
    with pytest.raises(ResendError) as refused:
        resend.Emails.get(email_id)
    assert (refused.value.code, refused.value.error_type) == (401, "restricted_api_key")


@pytest.mark.parametrize(
    ("action", "code", "error_type", "taken"),
    [
        (bad_gateway(), 502, "application_error", 0),
        (fails("application_error", taken=True), 500, "application_error", 1),
        (not_json(), 500, "application_error", 1),
        (cut_before(), 500, "HttpClientError", 0),
        (hang_after(0.05), 500, "HttpClientError", 1),
        (Action(kind="error", error="application_error", status=503), 503, "application_error", 0),
    ],
)
def test_a_failure_says_nothing_about_whether_the_mail_was_taken(
    scripted: SimulatorClient, mail: Mail, action: Action, code: int, error_type: str, taken: int
) -> None:
    scripted.script_resend(rules=[Rule(action=action)])
    with pytest.raises(ResendError) as failed:
        resend.Emails.send(mail)
    assert (failed.value.code, failed.value.error_type) == (code, error_type)
    assert scripted.summary().accepted == taken


def test_an_answer_without_an_id_looks_like_success(scripted: SimulatorClient, mail: Mail) -> None:
    scripted.script_resend(rules=[Rule(action=without_id())])
    assert "id" not in resend.Emails.send(mail)
    assert scripted.summary().accepted == 1
