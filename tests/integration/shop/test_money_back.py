"""Refunds and disputes: counted once, remembered when they come early, and told to whom they concern."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from models.credit_entries import credit_balance
from models.purchases import Purchase
from simulator.stripe_events import Sale, override
from tests.shop import buy_credits, buy_products, emails, failures, handle, purchase_now, sale_of, told


def paid(session: Session, purchase: Purchase) -> Sale:
    handle(session, told("checkout.session.completed", sale_of(purchase)))
    return sale_of(purchase)


def test_partial_refunds_add_up_and_each_is_told_to_the_buyer(session: Session) -> None:
    purchase = buy_products(session, amount_cents=3_000)
    sale = paid(session, purchase)
    handle(session, told("charge.refunded", sale, refund_cents=1_000))
    handle(session, told("charge.refunded", sale, refund_cents=2_000, refunded_before_cents=1_000))

    assert purchase_now(session, purchase.id).refunded_cents == 3_000
    notices = [(mail["refunded_cents"], mail["total_refunded_cents"], mail["full"]) for mail in emails(session, "refund")]
    assert notices == [(1_000, 1_000, False), (2_000, 3_000, True)]


def test_a_refund_that_arrives_before_its_purchase_waits_for_it(session: Session) -> None:
    purchase = buy_credits(session, 100)
    sale = sale_of(purchase)
    handle(session, told("charge.refunded", sale, refund_cents=250))
    handle(session, told("charge.dispute.created", sale))
    assert purchase_now(session, purchase.id).refunded_cents == 0
    paid(session, purchase)

    late = purchase_now(session, purchase.id)
    assert (late.status, late.refunded_cents, late.dispute_status) == ("completed", 250, "needs_response")
    assert late.user_id is not None
    assert credit_balance(session, late.user_id) == 75
    assert len(emails(session, "credit_purchase")) == len(emails(session, "refund")) == 1


def test_credits_leave_in_proportion_and_a_full_refund_takes_all(session: Session) -> None:
    purchase = buy_credits(session, 3, unit_amount_cents=33)
    sale = paid(session, purchase)
    user_id = purchase_now(session, purchase.id).user_id
    assert user_id is not None
    balances = []
    for refunded in (32, 33, 66, 99):
        handle(session, told("charge.refunded", sale, refund_cents=1, refunded_before_cents=refunded - 1))
        balances.append(credit_balance(session, user_id))
    assert balances == [3, 2, 1, 0]


def test_a_failed_refund_did_not_happen_and_a_person_is_told(session: Session) -> None:
    purchase = buy_credits(session, 100)
    sale = paid(session, purchase)
    handle(session, told("charge.refunded", sale, refund_cents=1_000))
    failed = told("refund.failed", sale, refund_cents=1_000)
    handle(session, failed)
    handle(session, failed)

    now = purchase_now(session, purchase.id)
    assert (now.refunded_cents, now.refunded_at) == (0, None)
    assert now.user_id is not None
    assert credit_balance(session, now.user_id) == 100
    [failure] = failures(session)
    assert failure.reason == "refund_failed"
    assert failure.event_data["refund_cents"] == 1_000


def test_a_refund_that_is_made_again_after_it_failed_is_told_again(session: Session) -> None:
    purchase = buy_products(session, amount_cents=1_000)
    sale = paid(session, purchase)
    handle(session, told("charge.refunded", sale, refund_id="re_1"))
    handle(session, told("refund.failed", sale, refund_id="re_1"))
    handle(session, told("charge.refunded", sale, refund_id="re_2"))
    assert purchase_now(session, purchase.id).refunded_cents == 1_000
    assert [mail["refunded_cents"] for mail in emails(session, "refund")] == [1_000, 1_000]


def test_one_refund_under_two_event_ids_counts_once(session: Session) -> None:
    purchase = buy_products(session, amount_cents=1_000)
    sale = paid(session, purchase)
    handle(session, told("charge.refunded", sale, refund_cents=300))
    handle(session, told("charge.refunded", sale, refund_cents=300))
    assert purchase_now(session, purchase.id).refunded_cents == 300
    assert len(emails(session, "refund")) == 1


def test_a_refund_of_somebody_elses_payment_is_remembered_and_nothing_else(session: Session) -> None:
    for event_type in ("charge.refunded", "refund.failed", "charge.dispute.created", "charge.dispute.closed"):
        handle(session, told(event_type, Sale(purchase_id="another program's order")))
    assert session.execute(text("SELECT count(*) FROM payment_reports WHERE applied_at IS NULL")).scalar_one() == 4
    assert failures(session) == []


def test_a_dispute_marks_the_purchase_and_its_end_stands(session: Session) -> None:
    purchase = buy_products(session)
    sale = paid(session, purchase)
    handle(session, told("charge.dispute.closed", sale, created=1_793_500_000, dispute_status="won"))
    handle(session, told("charge.dispute.created", sale, created=1_793_000_000))
    now = purchase_now(session, purchase.id)
    assert now.dispute_status == "won"
    assert now.disputed_at is not None
    assert now.disputed_at.timestamp() == 1_793_000_000


@pytest.mark.parametrize("refund_comes_first", [True, False])
def test_a_dispute_that_names_only_the_charge_finds_its_purchase_through_a_refund(session: Session, *, refund_comes_first: bool) -> None:
    purchase = buy_products(session)
    sale = paid(session, purchase)
    events = [
        told("charge.refunded", sale, refund_cents=100),
        override(told("charge.dispute.created", sale), {"data.object.payment_intent": None}),
    ]
    for event in events if refund_comes_first else reversed(events):
        handle(session, event)
    now = purchase_now(session, purchase.id)
    assert (now.refunded_cents, now.dispute_status) == (100, "needs_response")
