"""What Resend promises about idempotency keys, asked through its own SDK."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import resend
from resend.exceptions import ResendError

from simulator.control import SimulatorClient
from simulator.script import Rule, cut_after, slow

Mail = resend.Emails.SendParams

pytestmark = pytest.mark.usefixtures("resend_server")


def test_the_same_key_and_body_give_the_first_answer_and_no_second_mail(mail: Mail, key: str) -> None:
    first = resend.Emails.send(mail, {"idempotency_key": key})
    assert resend.Emails.send(mail, {"idempotency_key": key})["id"] == first["id"]


def test_the_same_key_with_another_body_is_refused(mail: Mail, key: str) -> None:
    resend.Emails.send(mail, {"idempotency_key": key})
    with pytest.raises(ResendError) as refused:
        resend.Emails.send({**mail, "subject": "Another"}, {"idempotency_key": key})
    assert (refused.value.code, refused.value.error_type) == (409, "invalid_idempotent_request")


@pytest.mark.parametrize("length", [0, 257])
def test_a_key_has_1_to_256_characters(mail: Mail, length: int) -> None:
    with pytest.raises(ResendError) as refused:
        resend.Emails.send(mail, {"idempotency_key": "k" * length})
    assert (refused.value.code, refused.value.error_type) == (400, "invalid_idempotency_key")


def test_a_key_of_256_characters_is_taken(mail: Mail, key: str) -> None:
    assert resend.Emails.send(mail, {"idempotency_key": key.ljust(256, "x")})["id"]


def test_a_refused_mail_does_not_use_up_its_key(mail: Mail, key: str) -> None:
    with pytest.raises(ResendError):
        resend.Emails.send({**mail, "to": ["nobody"]}, {"idempotency_key": key})
    assert resend.Emails.send(mail, {"idempotency_key": key})["id"]


def test_a_batch_has_one_key_for_all(mail: Mail, key: str) -> None:
    second: Mail = {**mail, "subject": "Second"}
    batch = [mail, second]
    first = resend.Batch.send(batch, {"idempotency_key": key})
    assert resend.Batch.send(batch, {"idempotency_key": key})["data"] == first["data"]
    with pytest.raises(ResendError) as refused:
        resend.Batch.send(batch[:1], {"idempotency_key": key})
    assert refused.value.error_type == "invalid_idempotent_request"


def test_a_second_request_while_the_first_is_worked_on_is_refused(scripted: SimulatorClient, mail: Mail, key: str) -> None:
    scripted.script_resend(latency_ms=500)

    def send(_: int) -> str:
        try:
            return resend.Emails.send(mail, {"idempotency_key": key})["id"]
        except ResendError as refused:
            return f"{refused.code} {refused.error_type}"

    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(send, range(2)))
    [taken] = scripted.emails()
    assert sorted(answers) == sorted(["409 concurrent_idempotent_requests", taken.id])
    assert send(3) == taken.id


def test_a_key_is_forgotten_after_24_hours(scripted: SimulatorClient, mail: Mail, key: str) -> None:
    first = resend.Emails.send(mail, {"idempotency_key": key})["id"]
    scripted.advance_clock(24 * 3600 - 60)
    assert resend.Emails.send(mail, {"idempotency_key": key})["id"] == first
    scripted.advance_clock(120)
    assert resend.Emails.send(mail, {"idempotency_key": key})["id"] != first
    assert scripted.summary().duplicate_keys == {key: 2}


def test_a_retry_after_a_lost_answer_learns_the_first_id(scripted: SimulatorClient, mail: Mail, key: str) -> None:
    scripted.script_resend(rules=[Rule(action=cut_after(), times=1)])
    with pytest.raises(ResendError) as lost:
        resend.Emails.send(mail, {"idempotency_key": key})
    assert (lost.value.code, lost.value.error_type) == (500, "HttpClientError")
    taken = scripted.emails()
    assert [resend.Emails.send(mail, {"idempotency_key": key})["id"]] == [email.id for email in taken]
    assert scripted.summary().accepted == 1


def test_a_slow_answer_is_still_an_answer(scripted: SimulatorClient, mail: Mail) -> None:
    scripted.script_resend(rules=[Rule(action=slow(120), times=1)])
    assert resend.Emails.send(mail)["id"]
