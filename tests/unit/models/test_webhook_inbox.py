"""Promises of ``IncomingEvent``: what is an event, and what is not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.webhook_inbox import IncomingEvent, NotAnEventError


def read(body: bytes) -> IncomingEvent:
    return IncomingEvent.from_stripe(body, headers={}, verified_by="test")


def event(**changes: Any) -> bytes:
    facts = {"id": "evt_1", "object": "event", "type": "charge.refunded", "livemode": False, "api_version": "2026-10-28.endive"}
    return json.dumps(facts | changes).encode()


def test_the_columns_of_a_snapshot_event() -> None:
    read_event = read(event(account="acct_1"))
    assert (read_event.provider_event_id, read_event.event_type, read_event.livemode) == ("evt_1", "charge.refunded", False)
    assert (read_event.account, read_event.api_version) == ("acct_1", "2026-10-28.endive")


def test_a_thin_event_is_an_event() -> None:
    assert read(event(object="v2.core.event")).event_type == "charge.refunded"


def test_the_raw_bytes_are_kept_as_they_came() -> None:
    body = b' { "type" : "x" ,\n"id":"evt_1","object":"event", "amount": 1.10}'
    assert read(body).body == body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"evt_1"',
        b"{}",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"id": NaN}',
        event(id=None),
        event(id=7),
        event(id=""),
        event(id="x" * 256),
        event(id="a\0b"),
        event(id="\ud800"),
        event(type=["x"]),
        event(object="customer"),
        event(account={"id": "acct_1"}),
    ],
)
def test_what_is_not_an_event_is_refused_with_a_sentence(body: bytes) -> None:
    with pytest.raises(NotAnEventError, match=r"\w+ "):
        read(body)


@given(st.binary() | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(lambda value: json.dumps(value).encode()))
def test_no_body_raises_anything_else(body: bytes) -> None:
    with pytest.raises(NotAnEventError):
        read(body)
