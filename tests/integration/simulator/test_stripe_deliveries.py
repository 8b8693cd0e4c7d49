"""Events reach the shop as Stripe delivers them: again until taken, at times twice, late, out of order, or never."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import stripe

from simulator.control import SimulatorClient
from tests.eventually import eventually
from tests.receiver import Receiver

NewSession = Callable[..., stripe.checkout.Session]
QUICK = [0.01, 0.01, 0.01]


def _delivered_ids(receiver: Receiver) -> list[str]:
    return [json.loads(delivery.body)["id"] for delivery in receiver.deliveries]


def test_an_event_is_sent_again_until_it_is_taken(told_simulator: SimulatorClient, receiver: Receiver) -> None:
    told_simulator.script_stripe(delivery={"retry_seconds": QUICK})
    receiver.answers += [500, 302, 404]
    [made] = told_simulator.trigger("invoice.paid")
    [event] = eventually(lambda: [event for event in told_simulator.events() if event.state == "delivered"])
    assert [attempt["status"] for attempt in event.attempts] == [500, 302, 404, 200]
    assert _delivered_ids(receiver) == [made.id] * 4


def test_each_attempt_is_signed_anew(told_simulator: SimulatorClient, receiver: Receiver) -> None:
    told_simulator.script_stripe(delivery={"retry_seconds": [1.1]})
    receiver.answers.append(503)
    told_simulator.trigger("invoice.paid")
    eventually(lambda: len(receiver.deliveries) == 2)
    assert receiver.deliveries[0].body == receiver.deliveries[1].body
    assert receiver.deliveries[0].headers["Stripe-Signature"] != receiver.deliveries[1].headers["Stripe-Signature"]


def test_after_the_last_retry_an_event_is_abandoned_but_not_forgotten(told_simulator: SimulatorClient, receiver: Receiver) -> None:
    told_simulator.script_stripe(delivery={"retry_seconds": [0.01]})
    receiver.answers += [500, 500]
    [made] = told_simulator.trigger("invoice.paid")
    eventually(lambda: told_simulator.events()[0].state == "abandoned")
    assert told_simulator.deliver_again(made.id).state == "delivered"


def test_a_shop_that_is_down_is_told_when_it_is_back(simulator: SimulatorClient, receiver: Receiver) -> None:
    simulator.script_stripe(delivery={"retry_seconds": [0.05] * 100})
    [made] = simulator.trigger("invoice.paid")
    assert (made.state, made.attempts[0]["error"]) == ("pending", "Connection refused")
    simulator.send_webhooks_to(receiver.url)
    eventually(lambda: simulator.events()[0].state == "delivered")


def test_a_gap_is_never_sent_and_the_next_event_is(told_simulator: SimulatorClient, receiver: Receiver) -> None:
    told_simulator.script_stripe(delivery={"gap_next": 2})
    made = [told_simulator.trigger("invoice.paid")[0] for _ in range(3)]
    assert [event.state for event in made] == ["withheld", "withheld", "delivered"]
    assert _delivered_ids(receiver) == [made[2].id]


def test_duplicates_are_the_same_event_delivered_twice(told_simulator: SimulatorClient, receiver: Receiver) -> None:
    told_simulator.script_stripe(delivery={"duplicate_probability": 1})
    [made] = told_simulator.trigger("invoice.paid")
    eventually(lambda: _delivered_ids(receiver) == [made.id, made.id])


def test_disorder_lets_events_overtake_each_other(told_simulator: SimulatorClient, receiver: Receiver) -> None:
    told_simulator.script_stripe(delivery={"disorder_ms": 400, "seed": 1})
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: SimulatorClient(told_simulator.base_url).trigger("invoice.paid"), range(8)))
    made = [event.id for event in told_simulator.events()]
    assert sorted(_delivered_ids(receiver)) == sorted(made)
    assert _delivered_ids(receiver) != made


def test_events_are_made_of_what_the_buyer_does(told_simulator: SimulatorClient, receiver: Receiver, new_session: NewSession) -> None:
    session = new_session()
    told_simulator.buyer_does(session.id, "pay_later")
    told_simulator.buyer_does(session.id, "payment_arrives")
    types = [json.loads(delivery.body)["type"] for delivery in receiver.deliveries]
    assert sorted(types) == ["checkout.session.async_payment_succeeded", "checkout.session.completed", "payment_intent.succeeded"]


def test_a_session_that_nobody_pays_expires_by_itself(told_simulator: SimulatorClient, receiver: Receiver, new_session: NewSession) -> None:
    session = new_session()
    told_simulator.advance_clock(24 * 3600 + 1)
    [delivery] = eventually(lambda: receiver.deliveries)
    event = json.loads(delivery.body)
    assert (event["type"], event["data"]["object"]["id"]) == ("checkout.session.expired", session.id)


def test_a_triggered_event_about_a_purchase_is_about_its_session(told_simulator: SimulatorClient, new_session: NewSession) -> None:
    session = new_session("purchase-7")
    made = told_simulator.trigger("checkout.session.completed", purchase_id="purchase-7", override={"account": "acct_other"})
    assert [event.type for event in made] == ["payment_intent.succeeded", "checkout.session.completed"]
    completed = made[-1].event
    assert (completed["data"]["object"]["id"], completed["data"]["object"]["payment_status"]) == (session.id, "paid")
    assert completed["account"] == "acct_other"
    refunded = told_simulator.trigger("charge.refunded", purchase_id="purchase-7", refund_cents=500)[-1].event["data"]["object"]
    assert (refunded["amount_refunded"], refunded["payment_intent"]) == (500, completed["data"]["object"]["payment_intent"])


def test_a_refund_that_fails_is_the_one_that_was_made(told_simulator: SimulatorClient, new_session: NewSession) -> None:
    new_session("purchase-6")
    told_simulator.trigger("checkout.session.completed", purchase_id="purchase-6")
    made = told_simulator.trigger("refund.created", purchase_id="purchase-6", refund_cents=700)[-1].event["data"]["object"]
    failed = told_simulator.trigger("refund.failed", purchase_id="purchase-6")[-1].event["data"]
    assert (failed["object"]["id"], failed["object"]["status"], failed["previous_attributes"]) == (
        made["id"],
        "failed",
        {"status": "succeeded"},
    )
    again = told_simulator.trigger("charge.refunded", purchase_id="purchase-6")[-1].event["data"]["object"]
    assert (again["amount_refunded"], again["refunded"]) == (2500, True)


def test_a_second_completion_of_one_session_is_another_event(told_simulator: SimulatorClient, new_session: NewSession) -> None:
    session = new_session("purchase-8")
    first = told_simulator.trigger("checkout.session.completed", session_id=session.id)[-1]
    second = told_simulator.trigger("checkout.session.completed", session_id=session.id)[-1]
    assert first.id != second.id
    assert first.event["data"]["object"]["payment_intent"] == second.event["data"]["object"]["payment_intent"]
