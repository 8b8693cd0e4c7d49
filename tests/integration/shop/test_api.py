"""``/api/purchases`` over WSGI, on a real database and the simulated Stripe."""

from __future__ import annotations

from uuid import uuid4

import pytest

from models.connection import engine, transaction
from settings import get_settings
from simulator.control import SimulatorClient
from simulator.script import Action, Rule
from tasks.stripe_api import stripe_client
from tests.shop import add_leads, buy_leads, buy_products, handle, purchase_now, sale_of, told
from tests.shop_api import HANDBOOK, Shop


def test_leads_are_bought_at_their_own_price_with_a_checkout_to_pay_on(shop: Shop, simulator: SimulatorClient) -> None:
    with transaction() as session:
        leads = add_leads(session, 2)
    answer = shop.buy({"kind": "leads", "email": "ada@example.com", "name": "Ada", "lead_ids": [str(lead) for lead in leads]})

    assert answer.status_code == 201
    made = answer.get_json()
    assert (made["status"], made["amount_cents"], made["currency"]) == ("pending", 5_000, "usd")
    assert made["checkout_url"].startswith(simulator.stripe_api_url)
    assert [item["lead_id"] for item in made["items"]] == [str(lead) for lead in leads]
    checkout = stripe_client().v1.checkout.sessions.retrieve(made["checkout_session_id"])
    assert (checkout.client_reference_id, checkout.amount_total, checkout.customer_email) == (made["id"], 5_000, "ada@example.com")
    assert checkout.metadata is not None
    assert checkout.metadata["purchase_id"] == made["id"]


def test_what_is_paid_on_that_checkout_completes_the_purchase(shop: Shop, simulator: SimulatorClient) -> None:
    made = shop.buy(HANDBOOK).get_json()
    [event] = [event for event in simulator.buyer_does(made["checkout_session_id"], "pay") if event.type == "checkout.session.completed"]
    with transaction() as session:
        handle(session, stripe_client().v1.events.retrieve(event.id).to_dict())
    paid = shop.get(made["id"]).get_json()
    assert (paid["status"], paid["items"][0]["delivered"]) == ("completed", True)
    assert paid["completed_at"] is not None


def test_credits_have_the_shops_price_in_each_currency(shop: Shop) -> None:
    made = shop.buy({"kind": "credits", "email": "ada@example.com", "credits": 30, "currency": "gbp"}).get_json()
    assert (made["amount_cents"], made["items"][0]["credits"]) == (270, 30)
    refused = shop.buy({"kind": "credits", "email": "ada@example.com", "credits": 30, "currency": "jpy"})
    assert refused.status_code == 422
    assert refused.get_json()["problems"] == [{"field": "currency", "message": "Credits are sold in eur, gbp, usd."}]


def test_the_same_key_and_body_are_the_same_purchase(shop: Shop) -> None:
    first, again = shop.buy(HANDBOOK, key="order-7"), shop.buy(dict(reversed(HANDBOOK.items())), key="order-7")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.get_json() == again.get_json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert shop.buy(HANDBOOK).get_json()["id"] != first.get_json()["id"]


def test_the_same_key_for_another_body_is_refused(shop: Shop) -> None:
    shop.buy(HANDBOOK, key="order-7")
    other = shop.buy(HANDBOOK | {"email": "grace@example.com"}, key="order-7")
    assert (other.status_code, other.get_json()["code"]) == (409, "idempotency_key_reused")


def test_leads_that_cannot_be_bought_are_named(shop: Shop) -> None:
    unknown = uuid4()
    with transaction() as session:
        sold, free = add_leads(session, 2)
        [euro] = add_leads(session, 1, currency="eur")
        handle(session, told("checkout.session.completed", sale_of(buy_leads(session, [sold]))))
    answer = shop.buy({"kind": "leads", "email": "ada@example.com", "lead_ids": [str(one) for one in (sold, free, euro, unknown)]})
    assert answer.status_code == 409
    refused = answer.get_json()
    assert (refused["unknown"], refused["already_sold"], refused["in_another_currency"]) == ([str(unknown)], [str(sold)], [str(euro)])


def test_while_stripe_is_away_the_purchase_waits_and_the_same_key_gets_its_checkout(shop: Shop, simulator: SimulatorClient) -> None:
    simulator.script_stripe(rules=[Rule(action=Action(kind="error", status=500), path="/v1/checkout/sessions", times=2)])
    away = shop.buy(HANDBOOK, key="order-7")
    assert (away.status_code, away.get_json()["code"]) == (503, "checkout_unavailable")
    assert int(away.headers["Retry-After"]) > 0
    waiting = shop.get(away.get_json()["purchase_id"]).get_json()
    assert (waiting["status"], waiting["checkout_url"]) == ("pending", None)

    back = shop.buy(HANDBOOK, key="order-7").get_json()
    assert back["id"] == waiting["id"]
    assert back["checkout_url"]


def test_a_session_whose_answer_was_lost_is_not_made_twice(shop: Shop, simulator: SimulatorClient) -> None:
    simulator.script_stripe(rules=[Rule(action=Action(kind="cut", taken=True), path="/v1/checkout/sessions", times=1)])
    assert shop.buy(HANDBOOK).status_code == 201
    assert simulator.stripe_requests()["outcomes"].get("replayed") == 1


def test_a_lead_that_was_sold_while_stripe_was_away_is_not_offered_again(shop: Shop, simulator: SimulatorClient) -> None:
    with transaction() as session:
        [lead] = add_leads(session, 1)
    wanted = {"kind": "leads", "email": "ada@example.com", "lead_ids": [str(lead)]}
    simulator.script_stripe(rules=[Rule(action=Action(kind="error", status=500), path="/v1/checkout/sessions", times=2)])
    assert shop.buy(wanted, key="order-7").status_code == 503
    with transaction() as session:
        handle(session, told("checkout.session.completed", sale_of(buy_leads(session, [lead]))))
    assert shop.buy(wanted, key="order-7").get_json()["already_sold"] == [str(lead)]


def test_a_key_that_stripe_refuses_is_the_operators_trouble(shop: Shop, simulator: SimulatorClient) -> None:
    simulator.script_stripe(invalid_keys=[get_settings().stripe_secret_key.get_secret_value()])
    answer = shop.buy(HANDBOOK)
    assert (answer.status_code, answer.get_json()["code"]) == (502, "stripe_misconfigured")


@pytest.mark.parametrize("path", ["nonsense", "00000000-0000-0000-0000-000000000000", "%00"])
def test_an_unknown_purchase_is_not_found(shop: Shop, path: str) -> None:
    assert shop.get(path).status_code == shop.post(f"{path}/fulfilled").status_code == 404


def test_only_a_completed_purchase_can_be_fulfilled_and_only_once(shop: Shop) -> None:
    with transaction() as session:
        purchase = buy_products(session)
    early = shop.post(f"{purchase.id}/fulfilled")
    assert (early.status_code, early.get_json()["code"]) == (409, "not_completed")
    with transaction() as session:
        handle(session, told("checkout.session.completed", sale_of(purchase)))
    first, again = shop.post(f"{purchase.id}/fulfilled"), shop.post(f"{purchase.id}/fulfilled")
    assert first.status_code == again.status_code == 200
    assert first.get_json()["fulfilled_at"] == again.get_json()["fulfilled_at"]
    with transaction() as session:
        assert purchase_now(session, purchase.id).fulfilled_at is not None


def test_a_database_that_is_away_is_said_so(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    get_settings.cache_clear()
    engine.cache_clear()
    answer = shop.buy(HANDBOOK)
    assert (answer.status_code, answer.get_json()["code"]) == (503, "database_away")
    assert answer.headers["Retry-After"]


def test_stripe_fills_in_the_session_where_the_shop_asks_for_it(shop: Shop) -> None:
    address = "https://shop.example.com/thanks?session={CHECKOUT_SESSION_ID}"
    made = shop.buy(HANDBOOK | {"success_url": address}).get_json()
    assert stripe_client().v1.checkout.sessions.retrieve(made["checkout_session_id"]).success_url == address
