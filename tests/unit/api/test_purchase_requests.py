from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from api.errors import ApiError
from api.purchase_requests import fingerprint, read_purchase_request
from tests.shop_api import HANDBOOK


def item(**changes: Any) -> dict[str, Any]:
    return HANDBOOK | {"items": [HANDBOOK["items"][0] | changes]}


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({}, "kind"),
        ([], "body"),
        (None, "body"),
        ("purchase", "body"),
        ({"kind": "stars"}, "kind"),
        ({"kind": ["leads"]}, "kind"),
        ({"kind": "products"}, "email"),
        (HANDBOOK | {"email": "ada"}, "email"),
        (HANDBOOK | {"email": "ada@example.com\u0000"}, "email"),
        (HANDBOOK | {"name": "A\u0000da"}, "name"),
        (HANDBOOK | {"name": " "}, "name"),
        (HANDBOOK | {"currency": "USD"}, "currency"),
        (HANDBOOK | {"currency": "usd\n"}, "currency"),
        (HANDBOOK | {"colour": "red"}, "colour"),
        (HANDBOOK | {"success_url": "javascript:alert(1)"}, "success_url"),
        (HANDBOOK | {"cancel_url": "https://[broken"}, "cancel_url"),
        (HANDBOOK | {"items": []}, "items"),
        (HANDBOOK | {"items": [HANDBOOK["items"][0]] * 101}, "items"),
        (item(name="Hand\u0000book"), "items.0.name"),
        (item(quantity=0), "items.0.quantity"),
        (item(quantity=True), "items.0.quantity"),
        (item(quantity="2"), "items.0.quantity"),
        (item(quantity=1.5), "items.0.quantity"),
        (item(quantity=10**40), "items.0.quantity"),
        (item(unit_amount_cents=-1), "items.0.unit_amount_cents"),
        (item(quantity=100_000, unit_amount_cents=99_999_999), "items"),
        ({"kind": "credits", "email": "ada@example.com", "credits": 0}, "credits"),
        ({"kind": "leads", "email": "ada@example.com", "lead_ids": ["seven"]}, "lead_ids.0"),
        ({"kind": "leads", "email": "ada@example.com", "lead_ids": [str(uuid4())] * 2}, "lead_ids"),
        ({"kind": "leads", "email": "ada@example.com", "lead_ids": []}, "lead_ids"),
    ],
)
def test_what_is_wrong_with_a_request_is_said_by_field(wanted: object, field: str) -> None:
    with pytest.raises(ApiError) as refused:
        read_purchase_request(json.dumps(wanted).encode())
    assert refused.value.status == 422
    assert refused.value.details["problems"][0]["field"] == field


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 60_000, b'{"kind": NaN}', b'{"kind": "\\ud800"}', b'{"a": 1e999999}'])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        read_purchase_request(body)
    assert refused.value.status == 422


def test_a_thousand_problems_are_not_all_listed() -> None:
    with pytest.raises(ApiError) as refused:
        read_purchase_request(json.dumps(HANDBOOK | {f"field {number}": 1 for number in range(1_000)}).encode())
    assert len(refused.value.details["problems"]) == 20


def test_the_fingerprint_is_of_the_meaning_and_not_of_the_spelling() -> None:
    one, other = json.dumps(HANDBOOK, indent=4).encode(), json.dumps(dict(reversed(HANDBOOK.items()))).encode()
    assert fingerprint(read_purchase_request(one)) == fingerprint(read_purchase_request(other))
    changed = json.dumps(HANDBOOK | {"name": "Ada"}).encode()
    assert fingerprint(read_purchase_request(one)) != fingerprint(read_purchase_request(changed))
