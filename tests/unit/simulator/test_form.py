"""Stripe's form encoding is read as nested objects and lists."""

from __future__ import annotations

import pytest

from simulator.payments.errors import StripeError
from simulator.payments.form import nested, whole_number


def test_brackets_nest_and_numbers_make_lists() -> None:
    pairs = [("items[0][price][unit]", "5"), ("items[1][price][unit]", "7"), ("metadata[a]", "b"), ("mode", "payment")]
    assert nested(pairs) == {
        "items": [{"price": {"unit": "5"}}, {"price": {"unit": "7"}}],
        "metadata": {"a": "b"},
        "mode": "payment",
    }


def test_empty_brackets_append() -> None:
    assert nested([("expand[]", "a"), ("expand[]", "b")]) == {"expand": ["a", "b"]}


@pytest.mark.parametrize("pairs", [[("a", "1"), ("a[b]", "2")], [("a" + "[b]" * 20, "1")]])
def test_what_cannot_be_nested_is_refused(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(StripeError):
        nested(pairs)


@pytest.mark.parametrize("text", ["", "1.5", "ten", None])
def test_an_amount_is_a_whole_number(text: object) -> None:
    with pytest.raises(StripeError) as refused:
        whole_number(text, "amount")
    assert refused.value.content["param"] == "amount"
