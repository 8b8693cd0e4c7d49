"""What was accepted and asked is recorded exactly: the evidence that nothing was lost and nothing sent twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests

from simulator.control import SimulatorClient
from simulator.script import Rule, cut_after, fails
from tests.eventually import eventually

Send = Callable[..., requests.Response]


def test_every_part_of_an_accepted_mail_is_kept(simulator: SimulatorClient, send: Send) -> None:
    tags = [{"name": "kind", "value": "purchase"}]
    send(key="k1", to=["a@example.com"], subject="Grüße", html="<b>Hi</b>", headers={"X-Entity-Ref-ID": "n1"}, tags=tags)
    [email] = simulator.emails()
    assert (email.to, email.subject, email.html, email.text) == (["a@example.com"], "Grüße", "<b>Hi</b>", "Hello")
    assert (email.idempotency_key, email.dedupe, email.headers, email.tags) == ("k1", "n1", {"X-Entity-Ref-ID": "n1"}, tags)
    assert email.sender == "Shop <shop@example.com>"
    assert email.accepted_at > 0


def test_mails_are_found_by_recipient_and_by_key(simulator: SimulatorClient, send: Send) -> None:
    send(to=["Ada <ada@example.com>", "bob@example.com"], key="k1")
    send(to="a%@example.com", key="k2")
    assert [email.idempotency_key for email in simulator.emails(to="bob@example.com")] == ["k1"]
    assert [email.idempotency_key for email in simulator.emails(key="k2")] == ["k2"]
    assert simulator.emails(to="da@example.com") == []


def test_a_mail_key_that_was_taken_twice_is_seen(simulator: SimulatorClient, send: Send) -> None:
    for key in ("k1", "k2"):
        send(key=key, headers={"x-entity-ref-id": "notification-1"})
    send(key="k3", headers={"X-Entity-Ref-ID": "notification-2"})
    send()
    summary = simulator.summary()
    assert (summary.accepted, summary.distinct_dedupe_headers, summary.without_dedupe_header) == (4, 2, 1)
    assert summary.duplicate_dedupe_headers == {"notification-1": 2}
    assert summary.duplicate_keys == {}


def test_mails_of_one_batch_share_a_key_without_being_duplicates(simulator: SimulatorClient) -> None:
    mails = [{"from": "a@example.com", "to": f"{number}@example.com", "subject": "s", "text": "t"} for number in range(3)]
    headers = {"Authorization": "Bearer re_test", "Idempotency-Key": "chunk"}
    requests.post(f"{simulator.resend_api_url}/emails/batch", json=mails, headers=headers, timeout=10).raise_for_status()
    assert [(email.to, email.batch_index) for email in simulator.emails(key="chunk")] == [([f"{n}@example.com"], n) for n in range(3)]
    assert simulator.summary().duplicate_keys == {}


def test_requests_are_counted_by_how_they_ended(simulator: SimulatorClient, send: Send) -> None:
    simulator.script_resend(rules=[Rule(action=fails("application_error"), times=2), Rule(action=cut_after(), to="cut@example.com")])
    statuses = [send(key="k").status_code for _ in range(4)]
    assert statuses == [500, 500, 200, 409]  # the subject differs, so the fourth is another body under the same key
    with pytest.raises(requests.ConnectionError):
        send(to="cut@example.com")
    seen = simulator.requests()
    counts = {"application_error": 2, "accepted": 1, "invalid_idempotent_request": 1, "cut after taking": 1}
    assert (seen["total"], seen["outcomes"]) == (5, counts)
    assert [entry["outcome"] for entry in seen["requests"]][:3] == ["application_error", "application_error", "accepted"]


def test_a_client_that_gives_up_may_still_have_sent_a_mail(simulator: SimulatorClient, send: Send) -> None:
    simulator.script_resend(latency_ms=400)
    with pytest.raises(requests.ReadTimeout):
        send(key="k", subject="Hello", timeout_seconds=0.1)
    assert send(key="k", subject="Hello").json()["name"] == "concurrent_idempotent_requests"
    eventually(lambda: simulator.summary().accepted == 1)
    assert send(key="k", subject="Hello").json() == {"id": simulator.emails()[0].id}


def test_bodies_need_not_be_kept(simulator: SimulatorClient, send: Send) -> None:
    simulator.script_resend(keep_bodies=False)
    email_id = send(html="<p>secret</p>", headers={"X-Entity-Ref-ID": "n1"}).json()["id"]
    [email] = simulator.emails()
    assert (email.id, email.html, email.dedupe, email.to) == (email_id, None, "n1", ["ada@example.com"])


def test_named_rules_say_how_often_they_fired(simulator: SimulatorClient, send: Send) -> None:
    simulator.script_resend(rules=[Rule(name="twice", action=fails("application_error"), times=2)])
    for _ in range(3):
        send()
    assert simulator.script_resend(latency_ms=1)["fired"] == {"twice": 2}


def test_a_reset_forgets_everything(simulator: SimulatorClient, send: Send) -> None:
    simulator.script_resend(rules=[Rule(action=fails("application_error"))], latency_ms=5)
    send()
    simulator.reset()
    assert (simulator.emails(), simulator.requests()["total"]) == ([], 0)
    assert send().status_code == 200
