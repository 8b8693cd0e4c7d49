"""What Stripe's API promises about the calls that a shop makes, asked through its own SDK."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from simulator.control import SimulatorClient
from simulator.script import Rule, cut_after, fails


def _order(**changes: Any) -> Any:
    price = {"currency": "usd", "unit_amount": 1250, "product_data": {"name": "Lead é"}}
    return {
        "mode": "payment",
        "line_items": [{"price_data": price, "quantity": 2}],
        "client_reference_id": "purchase-1",
        "customer_email": "ada@example.com",
        "metadata": {"purchase_id": "purchase-1"},
        "payment_intent_data": {"metadata": {"purchase_id": "purchase-1", "from": "payment"}},
        "success_url": "https://shop.example/thanks?session={CHECKOUT_SESSION_ID}",
        "cancel_url": "https://shop.example/",
        **changes,
    }


@pytest.fixture
def session(stripe_sdk: stripe.StripeClient) -> stripe.checkout.Session:
    return stripe_sdk.v1.checkout.sessions.create(_order())


@pytest.fixture
def payment(stripe_sdk: stripe.StripeClient, simulator: SimulatorClient, session: stripe.checkout.Session) -> str:
    """The payment intent of a session that was paid."""
    simulator.buyer_does(session.id, "pay")
    return str(stripe_sdk.v1.checkout.sessions.retrieve(session.id).payment_intent)


def test_a_new_session_is_open_and_has_a_page_to_pay_on(session: stripe.checkout.Session) -> None:
    assert (session.status, session.payment_status, session.amount_total, session.currency) == ("open", "unpaid", 2500, "usd")
    assert session.id.startswith("cs_test_")
    assert session.url
    assert session.url.endswith(session.id)
    assert session.to_dict()["metadata"] == {"purchase_id": "purchase-1"}


def test_line_items_come_only_when_they_are_asked_for(stripe_sdk: stripe.StripeClient, session: stripe.checkout.Session) -> None:
    assert "line_items" not in stripe_sdk.v1.checkout.sessions.retrieve(session.id)
    expanded = stripe_sdk.v1.checkout.sessions.retrieve(session.id, {"expand": ["line_items"]})
    assert expanded.line_items
    assert [(item.description, item.quantity, item.amount_total) for item in expanded.line_items.data] == [("Lead é", 2, 2500)]
    assert [item.id for item in stripe_sdk.v1.checkout.sessions.line_items.list(session.id)] == [expanded.line_items.data[0].id]


def test_what_the_simulator_cannot_expand_is_refused_and_not_left_out(
    stripe_sdk: stripe.StripeClient, session: stripe.checkout.Session
) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        stripe_sdk.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})


def test_a_shop_can_expire_its_session(stripe_sdk: stripe.StripeClient, session: stripe.checkout.Session) -> None:
    assert stripe_sdk.v1.checkout.sessions.expire(session.id).status == "expired"
    with pytest.raises(stripe.InvalidRequestError):
        stripe_sdk.v1.checkout.sessions.expire(session.id)


def test_the_same_key_gives_the_same_session(stripe_sdk: stripe.StripeClient) -> None:
    sessions = [stripe_sdk.v1.checkout.sessions.create(_order(), {"idempotency_key": "k"}) for _ in range(2)]
    assert sessions[0].id == sessions[1].id


def test_the_same_key_with_other_parameters_is_refused(stripe_sdk: stripe.StripeClient) -> None:
    stripe_sdk.v1.checkout.sessions.create(_order(), {"idempotency_key": "k"})
    with pytest.raises(stripe.IdempotencyError) as refused:
        stripe_sdk.v1.checkout.sessions.create(_order(client_reference_id="other"), {"idempotency_key": "k"})
    assert refused.value.http_status == 400


@pytest.mark.parametrize(
    ("order", "code", "param"),
    [
        (_order(line_itms=[]) | {"line_itms": "x"}, "parameter_unknown", "line_itms"),
        ({"mode": "payment", "success_url": "https://shop.example/"}, "parameter_missing", "line_items"),
        (_order(success_url=""), "parameter_missing", "success_url"),
        (_order(metadata={"long": "x" * 501}), None, "metadata[long]"),
    ],
)
def test_what_the_real_api_would_refuse_is_refused(stripe_sdk: stripe.StripeClient, order: Any, code: str | None, param: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_sdk.v1.checkout.sessions.create(order)
    assert (refused.value.code, refused.value.param, refused.value.http_status) == (code, param, 400)


def test_an_unknown_id_is_a_404(stripe_sdk: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_sdk.v1.checkout.sessions.retrieve("cs_test_none")
    assert (refused.value.code, refused.value.http_status) == ("resource_missing", 404)


def test_a_paid_session_has_a_payment_with_a_charge(stripe_sdk: stripe.StripeClient, payment: str) -> None:
    intent = stripe_sdk.v1.payment_intents.retrieve(payment)
    assert (intent.status, intent.amount_received) == ("succeeded", 2500)
    assert intent.to_dict()["metadata"] == {"purchase_id": "purchase-1", "from": "payment"}
    charge = stripe_sdk.v1.charges.retrieve(str(intent.latest_charge))
    assert (charge.paid, charge.payment_intent, charge.amount_refunded, charge.refunded) == (True, payment, 0, False)


def test_refunds_add_up_until_nothing_is_left(stripe_sdk: stripe.StripeClient, payment: str) -> None:
    first = stripe_sdk.v1.refunds.create({"payment_intent": payment, "amount": 1000})
    assert (first.status, first.amount) == ("succeeded", 1000)
    assert stripe_sdk.v1.refunds.create({"charge": str(first.charge)}).amount == 1500
    charge = stripe_sdk.v1.charges.retrieve(str(first.charge))
    assert (charge.amount_refunded, charge.refunded) == (2500, True)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_sdk.v1.refunds.create({"payment_intent": payment})
    assert refused.value.code == "charge_already_refunded"


def test_more_than_was_paid_cannot_be_refunded(stripe_sdk: stripe.StripeClient, payment: str) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        stripe_sdk.v1.refunds.create({"payment_intent": payment, "amount": 2501})


def test_a_wrong_key_is_an_authentication_error(stripe_sdk: stripe.StripeClient, simulator: SimulatorClient) -> None:
    simulator.script_stripe(invalid_keys=["sk_test_contract"])
    with pytest.raises(stripe.AuthenticationError):
        stripe_sdk.v1.checkout.sessions.create(_order())


@pytest.mark.parametrize(("error", "raised"), [("rate_limit_error", stripe.RateLimitError), ("api_error", stripe.APIError)])
def test_scripted_failures_arrive_as_the_sdk_names_them(
    stripe_sdk: stripe.StripeClient, simulator: SimulatorClient, error: str, raised: type[stripe.StripeError]
) -> None:
    simulator.script_stripe(rules=[Rule(action=fails(error))])
    with pytest.raises(raised):
        stripe_sdk.v1.checkout.sessions.create(_order())


def test_a_retry_after_a_lost_answer_finds_the_session_that_was_made(stripe_sdk: stripe.StripeClient, simulator: SimulatorClient) -> None:
    simulator.script_stripe(rules=[Rule(action=cut_after(), times=1)])
    with pytest.raises(stripe.APIConnectionError):
        stripe_sdk.v1.checkout.sessions.create(_order(), {"idempotency_key": "k"})
    first = stripe_sdk.v1.checkout.sessions.create(_order(), {"idempotency_key": "k"})
    assert stripe_sdk.v1.checkout.sessions.create(_order(), {"idempotency_key": "k"}).id == first.id
    assert simulator.stripe_requests()["outcomes"]["replayed"] == 2
