"""``redrive trigger`` makes, signs and delivers an event, and says in a sentence what is wrong when it cannot."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import stripe
from click.testing import CliRunner, Result

from cli.main import redrive
from local.ports import free_port
from simulator.control import SimulatorClient
from tests.eventually import eventually
from tests.receiver import Receiver

Run = Callable[..., Result]
NewSession = Callable[..., stripe.checkout.Session]


@pytest.fixture
def run(told_simulator: SimulatorClient, receiver: Receiver) -> Run:
    """``run("invoice.paid", "--times", "2")``: the command, with the receiver as the web process."""
    environ = {"SIMULATOR_URL": told_simulator.base_url, "PUBLIC_URL": receiver.url, "REDRIVE_ENV": "development"}

    def trigger(*arguments: str, **changes: str) -> Result:
        return CliRunner().invoke(redrive, ["trigger", *arguments], env=environ | changes)

    return trigger


def test_an_event_is_delivered_and_named(run: Run, receiver: Receiver) -> None:
    result = run("invoice.paid")
    [delivery] = receiver.deliveries
    event = json.loads(delivery.body)
    assert result.exit_code == 0, result.output
    assert event["id"] in result.output
    assert "delivered" in result.output
    assert (event["type"], delivery.path) == ("invoice.paid", "/webhooks/stripe")


def test_options_reach_the_event(run: Run, receiver: Receiver) -> None:
    changes = ["--override", "data.object.currency=eur", "--override", "data.object.amount_subtotal=7"]
    result = run("checkout.session.completed", "--email", "eve@example.com", "--amount-cents", "999", "--unpaid", *changes)
    assert result.exit_code == 0, result.output
    session = json.loads(receiver.deliveries[0].body)["data"]["object"]
    assert (session["customer_email"], session["amount_total"], session["payment_status"]) == ("eve@example.com", 999, "unpaid")
    assert (session["currency"], session["amount_subtotal"]) == ("eur", 7)


def test_the_same_event_is_delivered_as_often_as_asked(run: Run, receiver: Receiver) -> None:
    assert run("invoice.paid", "--times", "3").exit_code == 0
    eventually(lambda: len(receiver.deliveries) == 3)
    assert len({json.loads(delivery.body)["id"] for delivery in receiver.deliveries}) == 1


def test_an_event_about_a_known_purchase_completes_its_session(run: Run, receiver: Receiver, new_session: NewSession) -> None:
    session = new_session("purchase-9")
    assert run("checkout.session.completed", "--purchase", "purchase-9").exit_code == 0
    ids = [json.loads(delivery.body)["data"]["object"]["id"] for delivery in receiver.deliveries]
    assert session.id in ids


@pytest.mark.parametrize(
    ("option", "body"),
    [
        (["--lead", "a", "--lead", "b"], {"kind": "leads", "lead_ids": ["a", "b"]}),
        (["--credits", "50"], {"kind": "credits", "credits": 50}),
        (["--product", "Book"], {"kind": "products", "items": [{"name": "Book", "quantity": 1, "unit_amount_cents": 2500}]}),
    ],
)
def test_something_to_buy_is_bought_first(
    run: Run, receiver: Receiver, new_session: NewSession, option: list[str], body: dict[str, object]
) -> None:
    session = new_session("purchase-10")
    receiver.bodies["/api/purchases"] = json.dumps({"id": "purchase-10", "checkout_session_id": session.id}).encode()
    result = run("checkout.session.completed", *option)
    assert result.exit_code == 0, result.output
    bought, *deliveries = receiver.deliveries
    assert json.loads(bought.body) == {**body, "email": "ada@example.com", "currency": "usd"}
    assert bought.headers["Authorization"].startswith("Bearer ")
    types = {json.loads(delivery.body)["type"] for delivery in deliveries}  # two events, delivered side by side
    assert types == {"payment_intent.succeeded", "checkout.session.completed"}


def test_a_refused_event_is_a_failure_that_says_where_to_look(run: Run, receiver: Receiver) -> None:
    receiver.answers.append(503)
    result = run("invoice.paid")
    assert (result.exit_code, "503" in result.output, "/payments" in result.output) == (1, True, True)


def test_without_a_simulator_it_says_how_to_start_one(run: Run) -> None:
    result = run("invoice.paid", SIMULATOR_URL=f"http://127.0.0.1:{free_port()}")
    assert (result.exit_code, "make run" in result.output) == (1, True)


def test_without_a_web_process_it_says_how_to_start_one(run: Run) -> None:
    result = run("invoice.paid", "--lead", "a", PUBLIC_URL=f"http://127.0.0.1:{free_port()}")
    assert (result.exit_code, "web process does not answer" in result.output) == (1, True)


def test_a_real_account_is_left_alone(run: Run) -> None:
    result = run("invoice.paid", STRIPE_SECRET_KEY="sk_test_real")
    assert (result.exit_code, "STRIPE_API_URL is not the simulator" in result.output) == (1, True)


def test_there_is_nothing_to_trigger_in_production(run: Run) -> None:
    result = run("invoice.paid", REDRIVE_ENV="production")
    assert (result.exit_code, "production" in result.output) == (1, True)


@pytest.mark.parametrize("options", [["--lead", "a", "--credits", "1"], ["--lead", "a", "--purchase", "p"], ["--override", "nothing"]])
def test_options_that_contradict_each_other_are_refused(run: Run, options: list[str]) -> None:
    assert run("invoice.paid", *options).exit_code == 2
