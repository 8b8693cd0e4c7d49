"""The emails of a purchase are promised once, also when a shop's own code asks again."""

from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy.orm import Session

from models.credit_entries import add_credits
from tasks.shop.order_emails import enqueue_purchase_confirmation, enqueue_refund_notification, enqueue_welcome_email
from tasks.shop.purchase_errors import UnknownPurchase
from tests.shop import buy_credits, buy_products, emails, handle, purchase_now, sale_of, told


def test_asking_for_a_receipt_again_is_the_same_email_even_when_the_balance_has_changed(session: Session) -> None:
    for purchase in (buy_products(session), buy_credits(session, 10)):
        handle(session, told("checkout.session.completed", sale_of(purchase)))
        first = enqueue_purchase_confirmation(session, purchase.id)
        user_id = purchase_now(session, purchase.id).user_id
        assert user_id is not None
        add_credits(session, user_id=user_id, amount=5, reason="adjustment", cause=f"a present after {purchase.id}")
        assert enqueue_purchase_confirmation(session, purchase.id) == first
    assert [receipt["balance"] for receipt in emails(session, "credit_purchase")] == [15]


def test_asking_for_a_refund_notice_again_is_the_same_email(session: Session) -> None:
    purchase = buy_products(session)
    handle(session, told("checkout.session.completed", sale_of(purchase)))
    handle(session, told("charge.refunded", sale_of(purchase), refund_cents=500))
    again = [enqueue_refund_notification(session, purchase.id, refunded_cents=500) for _ in range(2)]
    assert again[0] == again[1]
    assert len(emails(session, "refund")) == 1


def test_asking_for_a_welcome_again_is_the_same_email(session: Session) -> None:
    purchase = buy_products(session)
    handle(session, told("checkout.session.completed", sale_of(purchase)))
    user_id = purchase_now(session, purchase.id).user_id
    assert user_id is not None
    enqueue_welcome_email(session, user_id)
    assert len(emails(session, "welcome")) == 1


def test_nobody_gets_a_receipt_for_what_he_did_not_pay(session: Session) -> None:
    for purchase_id in (buy_products(session).id, uuid4()):
        with pytest.raises(UnknownPurchase):
            enqueue_purchase_confirmation(session, purchase_id)
