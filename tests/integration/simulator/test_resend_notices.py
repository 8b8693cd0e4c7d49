"""Resend tells the shop what became of a mail, by hand or by itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

from simulator.control import SimulatorClient, SimulatorError
from simulator.script import NOTICE_TYPES, NoticeType
from tests.eventually import eventually
from tests.receiver import Receiver

Send = Callable[..., requests.Response]


def _notices(receiver: Receiver) -> list[dict[str, Any]]:
    return [json.loads(delivery.body) for delivery in receiver.deliveries if delivery.path == "/webhooks/resend"]


@pytest.mark.parametrize("notice", NOTICE_TYPES)
def test_every_notice_names_its_mail(told_simulator: SimulatorClient, receiver: Receiver, send: Send, notice: NoticeType) -> None:
    email_id = send(tags=[{"name": "kind", "value": "purchase"}]).json()["id"]
    told_simulator.send_resend_event(email_id, notice)
    [content] = eventually(lambda: _notices(receiver))
    assert (content["type"], content["data"]["email_id"], content["data"]["tags"]) == (notice, email_id, {"kind": "purchase"})
    assert told_simulator.emails()[0].last_event == notice.removeprefix("email.")


def test_a_bounce_is_permanent_unless_told_otherwise(told_simulator: SimulatorClient, receiver: Receiver, send: Send) -> None:
    email_id = send().json()["id"]
    told_simulator.send_resend_event(email_id, "email.bounced")
    told_simulator.send_resend_event(email_id, "email.bounced", type="Transient", subType="MailboxFull")
    contents = eventually(lambda: found if len(found := _notices(receiver)) == 2 else None)
    assert contents is not None
    assert sorted(content["data"]["bounce"]["type"] for content in contents) == ["Permanent", "Transient"]


def test_a_notice_keeps_its_id_over_retries(told_simulator: SimulatorClient, receiver: Receiver, send: Send) -> None:
    told_simulator.script_resend(delivery={"retry_seconds": [0.01]})
    receiver.answers.append(500)
    message_id = told_simulator.send_resend_event(send().json()["id"], "email.delivered")
    eventually(lambda: len(receiver.deliveries) == 2)
    assert {delivery.headers["svix-id"] for delivery in receiver.deliveries} == {message_id}


@pytest.mark.parametrize(
    ("address", "types"),
    [
        ("ada@example.com", ["email.delivered", "email.sent"]),
        ("delivered@resend.dev", ["email.delivered", "email.sent"]),
        ("bounced+order1@resend.dev", ["email.bounced", "email.sent"]),
        ("complained@resend.dev", ["email.complained", "email.delivered", "email.sent"]),
        ("suppressed@resend.dev", ["email.sent", "email.suppressed"]),
    ],
)
def test_notices_follow_by_themselves(
    told_simulator: SimulatorClient, receiver: Receiver, send: Send, address: str, types: list[str]
) -> None:
    told_simulator.script_resend(automatic_events=True)
    send(to=address)
    eventually(lambda: sorted(content["type"] for content in _notices(receiver)) == types)


def test_without_the_switch_nothing_is_sent(told_simulator: SimulatorClient, send: Send) -> None:
    send()
    assert told_simulator.resend_events() == []


def test_a_mail_that_was_never_taken_has_no_notices(told_simulator: SimulatorClient) -> None:
    with pytest.raises(SimulatorError, match="No email"):
        told_simulator.send_resend_event("11111111-1111-4111-8111-111111111111", "email.delivered")
