"""Addresses are read as Resend reads them."""

from __future__ import annotations

import pytest

from simulator.mail.errors import ApiError
from simulator.mail.validation import bare_address, check_mail, recipients_of

MAIL = {"from": "Shop <shop@example.com>", "to": "Ada <ada@example.com>", "subject": "Hello", "text": "Hello"}


def test_names_are_taken_off_addresses() -> None:
    mail = check_mail({**MAIL, "cc": ["bob@example.com"], "bcc": "carol@example.com"})
    assert mail.recipients == ["ada@example.com", "bob@example.com", "carol@example.com"]
    assert bare_address(" ada@example.com ") == "ada@example.com"


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"headers": {"X-A": 1}}, "validation_error"),
        ({"headers": "X-A: 1"}, "validation_error"),
        ({"subject": ["Hello"]}, "validation_error"),
        ({"reply_to": "nobody"}, "validation_error"),
        ({"tags": [{"name": "kind"}]}, "validation_error"),
        ({"from": "Shop <>"}, "invalid_from_address"),
        ({"from": ["shop@example.com"]}, "invalid_from_address"),
        ({"text": ""}, "missing_required_field"),
        ({"to": []}, "missing_required_field"),
    ],
)
def test_each_wrong_field_has_a_name(change: dict[str, object], name: str) -> None:
    with pytest.raises(ApiError) as refused:
        check_mail({**MAIL, **change})
    assert refused.value.name == name


@pytest.mark.parametrize("payload", [None, [], "mail", 1])
def test_what_is_no_object_is_no_mail(payload: object) -> None:
    with pytest.raises(ApiError):
        check_mail(payload)


def test_rules_see_the_recipients_of_invalid_mails_too() -> None:
    assert recipients_of([{"to": ["A <a@example.com>", 1]}, {"to": "nobody"}, {}, 3]) == ["a@example.com", "nobody"]
