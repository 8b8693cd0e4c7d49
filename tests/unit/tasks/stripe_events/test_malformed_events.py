from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from simulator.stripe_events import Sale, override
from tasks.shop.purchase_errors import MalformedEvent
from tests.shop import handle, told

NO_DATABASE = Session()  # whoever used it would fail: a malformed event must not get that far


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data.object": {}}, "payment_status"),
        ({"data.object.payment_status": None}, "payment_status"),
        ({"data.object.payment_status": ["paid"]}, "payment_status"),
        ({"data.object.id": None}, "id"),
        ({"data.object.id": "cs\u0000"}, "id"),
        ({"data.object.amount_total": None}, "how much"),
        ({"data.object.amount_total": "1999"}, "minor units"),
        ({"data.object.amount_total": 10**30}, "minor units"),
        ({"data.object.amount_total": True}, "minor units"),
        ({"data.object.currency": 5}, "how much"),
        ({"data.object.payment_intent": 7}, "payment_intent"),
    ],
)
def test_a_malformed_session_is_a_clear_sentence(changes: dict[str, object], words: str) -> None:
    with pytest.raises(MalformedEvent, match=words):
        handle(NO_DATABASE, override(told("checkout.session.completed", Sale(purchase_id="order 7")), changes))


@pytest.mark.parametrize(
    ("event_type", "changes", "words"),
    [
        ("charge.refunded", {"data.object.amount_refunded": None}, "amount_refunded"),
        ("charge.refunded", {"data.object.id": ""}, "id"),
        ("charge.refunded", {"data.previous_attributes.amount_refunded": "many"}, "minor units"),
        ("charge.refunded", {"created": 10**18}, "created"),
        ("refund.failed", {"data.object.amount": None}, "amount"),
        ("refund.failed", {"data.object.payment_intent": None, "data.object.charge": None}, "neither"),
        ("charge.dispute.created", {"data.object.status": None}, "status"),
        ("charge.dispute.closed", {"data.object.payment_intent": None, "data.object.charge": None}, "neither"),
        ("charge.dispute.closed", {"data.object": {}}, "status"),
    ],
)
def test_a_malformed_report_is_a_clear_sentence(event_type: str, changes: dict[str, object], words: str) -> None:
    with pytest.raises(MalformedEvent, match=words):
        handle(NO_DATABASE, override(told(event_type, Sale(purchase_id="order 7")), changes))
