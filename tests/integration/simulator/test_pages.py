"""The pages show mails and payments to people, run nothing that a mail brings, and obey no other site."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests
import stripe

from simulator.control import SimulatorClient

Send = Callable[..., requests.Response]
NewSession = Callable[..., stripe.checkout.Session]
HOSTILE = "<script>document.title='ran'</script>"


def _get(simulator: SimulatorClient, path: str, **headers: str) -> requests.Response:
    return requests.get(simulator.base_url + path, headers=headers, timeout=10)


def _press(simulator: SimulatorClient, path: str, **headers: str) -> requests.Response:
    return requests.post(simulator.base_url + path, headers=headers, timeout=10, allow_redirects=False)


def test_an_empty_inbox_says_what_to_do(simulator: SimulatorClient) -> None:
    assert "redrive trigger" in _get(simulator, "/").text


def test_the_inbox_lists_mails_and_finds_them(simulator: SimulatorClient, send: Send) -> None:
    send(to="ada@example.com", subject="Your leads are ready")
    send(to="bob@example.com", subject="Your refund")
    everything, found = _get(simulator, "/").text, _get(simulator, "/?q=refund").text
    assert "ada@example.com" in everything
    assert "bob@example.com" in everything
    assert "ada@example.com" not in found
    assert "bob@example.com" in found


@pytest.mark.parametrize("view", ["html", "text", "details"])
def test_whatever_a_mail_holds_is_shown_and_not_run(simulator: SimulatorClient, send: Send, view: str) -> None:
    parts = {"subject": HOSTILE, "text": HOSTILE, "html": HOSTILE, "headers": {"X-Entity-Ref-ID": HOSTILE}}
    email_id = send(key=HOSTILE, **parts).json()["id"]
    page = _get(simulator, f"/inbox/{email_id}?view={view}&q=%22%3E{HOSTILE}")
    assert "<script>document" not in page.text
    assert "&lt;script&gt;" in page.text
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]


def test_the_body_of_a_mail_is_sandboxed_even_when_opened_alone(simulator: SimulatorClient, send: Send) -> None:
    email_id = send(html=f"<p>Hello</p>{HOSTILE}").json()["id"]
    body = _get(simulator, f"/inbox/{email_id}/body")
    assert "<p>Hello</p>" in body.text
    policy = body.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox ")
    assert "allow-scripts" not in policy
    assert "default-src 'none'" in policy


def test_a_mail_that_is_not_there_is_a_404(simulator: SimulatorClient) -> None:
    assert _get(simulator, "/inbox/nothing").status_code == 404


def test_a_button_tells_the_shop_that_a_mail_bounced(simulator: SimulatorClient, send: Send) -> None:
    email_id = send().json()["id"]
    assert _press(simulator, f"/inbox/{email_id}/email.bounced").status_code == 303
    assert simulator.emails()[0].last_event == "bounced"
    assert _press(simulator, f"/inbox/{email_id}/email.exploded").status_code == 404


@pytest.mark.parametrize(("button", "status", "payment"), [("pay", "complete", "paid"), ("pay_later", "complete", "unpaid")])
def test_paying_completes_the_session_and_returns_to_the_shop(
    simulator: SimulatorClient, new_session: NewSession, button: str, status: str, payment: str
) -> None:
    session = new_session()
    assert "$25.00" in _get(simulator, f"/stripe/checkout/{session.id}").text
    answer = _press(simulator, f"/stripe/checkout/{session.id}/{button}")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"http://127.0.0.1:9/thanks?session={session.id}")
    completed = simulator.events()[-1].event["data"]["object"]
    assert (completed["status"], completed["payment_status"]) == (status, payment)


def test_a_declined_card_leaves_the_session_open(simulator: SimulatorClient, new_session: NewSession) -> None:
    session = new_session()
    answer = _press(simulator, f"/stripe/checkout/{session.id}/decline")
    assert "declined" in _get(simulator, answer.headers["Location"]).text
    assert _press(simulator, f"/stripe/checkout/{session.id}/pay").status_code == 303
    types = [event.type for event in simulator.events()]
    assert types == ["payment_intent.payment_failed", "payment_intent.succeeded", "checkout.session.completed"]


def test_pressing_twice_pays_once(simulator: SimulatorClient, new_session: NewSession) -> None:
    session = new_session()
    for _ in range(2):
        assert _press(simulator, f"/stripe/checkout/{session.id}/pay").status_code == 303
    assert [event.type for event in simulator.events()].count("checkout.session.completed") == 1


def test_a_payment_that_was_on_its_way_fails(simulator: SimulatorClient, new_session: NewSession) -> None:
    session = new_session()
    for button in ("pay_later", "payment_fails"):
        _press(simulator, f"/stripe/checkout/{session.id}/{button}")
    assert simulator.events()[-1].type == "checkout.session.async_payment_failed"


def test_the_payments_page_refunds_and_sends_again(simulator: SimulatorClient, new_session: NewSession) -> None:
    session = new_session()
    simulator.script_stripe(delivery={"retry_seconds": []})
    made = simulator.buyer_does(session.id, "pay")[-1]
    page = _get(simulator, "/payments").text
    assert made.id in page
    assert "Connection refused" in page
    payment = made.event["data"]["object"]["payment_intent"]
    assert _press(simulator, f"/payments/{payment}/refund").status_code == 303
    assert [event.type for event in simulator.events()][-2:] == ["refund.created", "charge.refunded"]
    assert _press(simulator, f"/payments/events/{made.id}/deliver").status_code == 303
    assert len(next(event for event in simulator.events() if event.id == made.id).attempts) == 2


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_form_of_another_site_does_nothing(simulator: SimulatorClient, new_session: NewSession, site: str) -> None:
    session = new_session()
    assert _press(simulator, f"/stripe/checkout/{session.id}/pay", **{"Sec-Fetch-Site": site}).status_code == 403
    assert simulator.events() == []


def test_a_name_that_is_not_loopback_is_refused(simulator: SimulatorClient) -> None:
    assert _get(simulator, "/control/resend/emails", Host="attacker.example").status_code == 403


def test_a_control_request_must_be_json(simulator: SimulatorClient) -> None:
    answer = requests.post(f"{simulator.base_url}/control/reset", data="{}", headers={"Content-Type": "text/plain"}, timeout=10)
    assert answer.status_code == 415
