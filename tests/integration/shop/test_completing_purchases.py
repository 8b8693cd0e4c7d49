"""A paid purchase is completed once, and hands out what was bought."""

from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from models.credit_entries import credit_balance
from models.users import find_or_add_user
from simulator.stripe_events import override
from tasks.shop.purchase_completion import complete_stripe_lead_purchase
from tasks.shop.purchase_errors import AmountMismatch, PaidTwice, UnknownPurchase, WrongKind
from tests.shop import add_leads, buy_credits, buy_leads, buy_products, emails, failures, handle, purchase_now, sale_of, told


def test_a_paid_checkout_sells_the_leads_and_promises_one_receipt(session: Session) -> None:
    leads = add_leads(session, 3)
    purchase = buy_leads(session, leads[:2])
    handle(session, told("checkout.session.completed", sale_of(purchase)))

    done = purchase_now(session, purchase.id)
    assert (done.status, done.buyer_name, done.stripe_payment_intent_id) == ("completed", "Ada Buyer", sale_of(purchase).payment_intent_id)
    assert None not in {done.completed_at, done.fulfilled_at, done.user_id}
    sold = session.execute(text("SELECT id, sold_to_purchase_id FROM leads WHERE sold_at IS NOT NULL ORDER BY id")).all()
    assert [tuple(row) for row in sold] == [(lead, purchase.id) for lead in leads[:2]]
    [receipt] = emails(session, "purchase")
    assert receipt["total_cents"] == 5_000
    assert receipt["note"] is None
    assert [item["description"] for item in receipt["items"]] == [f"Lead {lead}" for lead in leads[:2]]


def test_a_second_delivery_changes_nothing(session: Session) -> None:
    purchase = buy_credits(session, 100)
    event = told("checkout.session.completed", sale_of(purchase))
    handle(session, event)
    before = _everything(session)
    handle(session, event)
    handle(session, told("checkout.session.async_payment_succeeded", sale_of(purchase)))
    assert _everything(session) == before


def test_an_unpaid_checkout_hands_out_nothing_until_the_money_arrives(session: Session) -> None:
    purchase = buy_leads(session, add_leads(session, 1))
    handle(session, told("checkout.session.completed", sale_of(purchase), payment_status="unpaid"))
    assert purchase_now(session, purchase.id).status == "awaiting_payment"
    assert emails(session) == []
    handle(session, told("checkout.session.async_payment_succeeded", sale_of(purchase)))
    assert purchase_now(session, purchase.id).status == "completed"
    assert len(emails(session, "purchase")) == 1


@pytest.mark.parametrize("event_type", ["checkout.session.expired", "checkout.session.async_payment_failed"])
def test_a_purchase_without_money_is_cancelled_but_never_a_completed_one(session: Session, event_type: str) -> None:
    abandoned, paid = buy_products(session), buy_products(session)
    handle(session, told("checkout.session.completed", sale_of(paid)))
    for purchase in (abandoned, paid):
        handle(session, told(event_type, sale_of(purchase)))
    assert purchase_now(session, abandoned.id).status == "cancelled"
    assert purchase_now(session, abandoned.id).cancelled_at
    assert purchase_now(session, paid.id).status == "completed"


def test_an_older_session_that_expires_does_not_cancel_the_purchase(session: Session) -> None:
    purchase = buy_products(session)
    purchase.stripe_checkout_session_id = "cs_test_newer"
    session.flush()
    handle(session, told("checkout.session.expired", sale_of(purchase)))
    assert purchase_now(session, purchase.id).status == "pending"


def test_a_buyer_is_told_which_leads_he_got_and_a_person_which_he_did_not(session: Session) -> None:
    leads = add_leads(session, 2)
    first, second = buy_leads(session, leads[1:]), buy_leads(session, leads, email="grace@example.com")
    handle(session, told("checkout.session.completed", sale_of(first)))
    handle(session, told("checkout.session.completed", sale_of(second)))

    late = purchase_now(session, second.id)
    assert late.status == "completed"
    assert late.fulfilled_at is None
    [receipt] = [payload for payload in emails(session, "purchase") if payload["purchase_id"] == str(second.id)]
    assert [item["description"] for item in receipt["items"]] == [f"Lead {leads[0]}"]
    assert f"Lead {leads[1]}" in receipt["note"]
    [failure] = failures(session)
    assert (failure.reason, failure.operation_id) == ("lead_already_sold", second.id)
    assert failure.event_data == {
        "purchase_id": str(second.id),
        "lead_ids": [str(leads[1])],
        "refund_cents": 2_500,
        "currency": "usd",
    }
    handle(session, told("charge.refunded", sale_of(second), refund_cents=2_500))
    assert failures(session) == []


def test_complete_stripe_lead_purchase_says_what_it_did(session: Session) -> None:
    leads = add_leads(session, 2)
    purchase = buy_leads(session, leads)
    first = complete_stripe_lead_purchase(session, purchase_id=purchase.id, checkout_session_id="cs_1", payment_intent_id="pi_1")
    assert first == {"success": True, "already_completed": False, "lead_ids_marked": leads}
    again = complete_stripe_lead_purchase(session, purchase_id=purchase.id, amount_cents=5_000, currency="usd")
    assert again == {"success": True, "already_completed": True, "lead_ids_marked": []}
    too_late = complete_stripe_lead_purchase(session, purchase_id=buy_leads(session, leads[:1]).id)
    assert too_late == {"success": False, "already_completed": False, "lead_ids_marked": []}
    with pytest.raises(UnknownPurchase):
        complete_stripe_lead_purchase(session, purchase_id=uuid4())
    with pytest.raises(WrongKind, match="credits"):
        complete_stripe_lead_purchase(session, purchase_id=buy_credits(session, 5).id)


def test_a_payment_that_is_told_later_is_remembered_with_its_refunds(session: Session) -> None:
    purchase = buy_credits(session, 100)
    sale = sale_of(purchase)
    free_of_ids = override(told("checkout.session.completed", sale), {"data.object.payment_intent": None})
    handle(session, free_of_ids)
    handle(session, told("charge.refunded", sale, refund_cents=500))
    assert purchase_now(session, purchase.id).refunded_cents == 0
    handle(session, told("checkout.session.async_payment_succeeded", sale))
    assert purchase_now(session, purchase.id).refunded_cents == 500


@pytest.mark.parametrize("changes", [{"data.object.amount_total": 99}, {"data.object.currency": "eur"}])
def test_other_money_than_was_asked_for_hands_out_nothing(session: Session, changes: dict[str, object]) -> None:
    purchase = buy_leads(session, add_leads(session, 1))
    with pytest.raises(AmountMismatch, match="2500 usd"):
        handle(session, override(told("checkout.session.completed", sale_of(purchase)), changes))
    assert purchase_now(session, purchase.id).status == "pending"
    assert emails(session) == []


def test_capital_letters_in_a_currency_are_no_mismatch(session: Session) -> None:
    purchase = buy_leads(session, add_leads(session, 1))
    handle(session, override(told("checkout.session.completed", sale_of(purchase)), {"data.object.currency": "USD"}))
    assert purchase_now(session, purchase.id).status == "completed"


def test_a_second_payment_for_the_same_purchase_needs_a_person(session: Session) -> None:
    purchase = buy_products(session)
    handle(session, told("checkout.session.completed", sale_of(purchase)))
    other = {"data.object.id": "cs_test_other", "data.object.payment_intent": "pi_other"}
    with pytest.raises(PaidTwice, match="cs_test_other"):
        handle(session, override(told("checkout.session.completed", sale_of(purchase)), other))


def test_credits_are_an_entry_and_the_receipt_says_the_balance(session: Session) -> None:
    user_id, _ = find_or_add_user(session, email="ADA@example.com", name="Ada")
    for bought in (100, 50):
        handle(session, told("checkout.session.completed", sale_of(buy_credits(session, bought))))
    assert credit_balance(session, user_id) == 150
    receipts = sorted(emails(session, "credit_purchase"), key=lambda payload: payload["balance"])
    assert [(payload["credits"], payload["balance"]) for payload in receipts] == [(100, 100), (50, 150)]
    assert emails(session, "welcome") == []


def test_a_new_buyer_becomes_a_user_and_is_welcomed_once(session: Session) -> None:
    for email in ("grace@example.com", "Grace@Example.com"):
        handle(session, told("checkout.session.completed", sale_of(buy_products(session, email=email))))
    assert session.execute(text("SELECT email, name FROM users")).all() == [("grace@example.com", "Ada Buyer")]
    assert emails(session, "welcome") == [{"name": "Ada Buyer"}]


def test_products_wait_for_the_shop_to_send_them(session: Session) -> None:
    purchase = buy_products(session)
    handle(session, told("checkout.session.completed", sale_of(purchase)))
    assert purchase_now(session, purchase.id).fulfilled_at is None


def test_a_free_purchase_needs_no_payment(session: Session) -> None:
    purchase = buy_products(session, amount_cents=0)
    handle(session, told("checkout.session.completed", sale_of(purchase), payment_status="no_payment_required"))
    assert purchase_now(session, purchase.id).status == "completed"


NAMELESS: dict[str, object] = {"data.object.client_reference_id": None, "data.object.metadata": {}}


def test_a_purchase_is_found_by_its_session_when_the_event_does_not_name_it(session: Session) -> None:
    purchase = buy_products(session)
    purchase.stripe_checkout_session_id = sale_of(purchase).session_id
    session.flush()
    handle(session, override(told("checkout.session.completed", sale_of(purchase)), NAMELESS))
    assert purchase_now(session, purchase.id).status == "completed"


def test_money_for_no_purchase_of_ours_needs_a_person_unless_it_says_it_is_not_ours(session: Session) -> None:
    event = override(told("checkout.session.completed", sale_of(buy_products(session))), NAMELESS)
    with pytest.raises(UnknownPurchase, match="1999 usd"):
        handle(session, event)
    handle(session, override(event, {"data.object.metadata": {"redrive": "ignore"}}))
    handle(session, override(event, {"data.object.payment_status": "unpaid"}))
    handle(session, override(event, {"type": "checkout.session.expired"}))


@pytest.mark.parametrize(
    "changes",
    [
        {"data.object.customer_details": None},
        {"data.object.customer_details": {"name": "\u0000\u202e"}},
        {"data.object.customer_details": {"name": "x" * 5_000}},
        {"data.object.client_reference_id": "order 7"},
        {"data.object.payment_intent": {"id": "pi_expanded", "object": "payment_intent"}},
        {"data.object.metadata": None},
    ],
)
def test_what_may_differ_between_api_versions_does_not_stop_a_purchase(session: Session, changes: dict[str, object]) -> None:
    purchase = buy_products(session)
    handle(session, override(told("checkout.session.completed", sale_of(purchase)), changes))
    assert purchase_now(session, purchase.id).status == "completed"


def _everything(session: Session) -> dict[str, list[object]]:
    tables = ("purchases", "leads", "credit_entries", "notifications", "users", "failed_operations")
    return {table: [tuple(row) for row in session.execute(text(f"SELECT * FROM {table} ORDER BY id"))] for table in tables}
