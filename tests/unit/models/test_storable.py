from __future__ import annotations

import json
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from models.storable import DEEPEST, storable, storable_text

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | st.text(st.characters(codec=None)) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec=None), max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(plain)
def test_anything_becomes_json_that_postgresql_can_hold(value: object) -> None:
    stored = json.dumps(storable(value), allow_nan=False, ensure_ascii=False)
    stored.encode("utf-8")
    assert "\\u0000" not in stored.replace("\\\\", "")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text("abcü€😀 \n"),
        lambda inner: st.lists(inner) | st.dictionaries(st.text("abc"), inner),
    )
)
def test_what_can_be_held_is_left_as_it_is(value: object) -> None:
    assert storable(value) == value


def test_what_json_has_no_form_for_becomes_its_text() -> None:
    moment = datetime(2026, 11, 22, tzinfo=UTC)
    assert storable({"at": moment, "id": UUID(int=1), 7: {1}}) == {"at": str(moment), "id": str(UUID(int=1)), "7": "{1}"}


def test_nesting_without_end_ends() -> None:
    deep: list[object] = []
    for _ in range(10_000):
        deep = [deep]
    text = json.dumps(storable(deep))
    assert text.count("[") == DEEPEST + 1


def test_text_loses_only_what_a_text_column_refuses() -> None:
    assert storable_text("a\0b\ud800c") == "a\N{REPLACEMENT CHARACTER}b?c"
