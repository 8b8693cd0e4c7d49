"""Promises of ``webhooks.stripe_signature``."""

from __future__ import annotations

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from simulator.signing import FORGERIES, Forgery, forged_stripe_signature
from webhooks.stripe_signature import TOLERANCE_SECONDS, SignatureError, fingerprint, verify_stripe

BODY = b'{"id": "evt_1", "object": "event"}'
NOW = 1_795_000_000
CURRENT, OLD = "whsec_current", "whsec_old"


def signed(secret: str = CURRENT, *, at: int = NOW, body: bytes = BODY) -> str:
    """A header made by Stripe's own SDK, as the independent check of ours."""
    return str(stripe.WebhookSignature.generate_signature_header(body.decode(), secret, timestamp=at))


def test_a_header_made_by_the_sdk_verifies() -> None:
    assert verify_stripe(BODY, signed(), [CURRENT], now=NOW) == fingerprint(CURRENT)


@pytest.mark.parametrize("secret", [CURRENT, OLD])
def test_every_active_secret_verifies_and_the_answer_tells_which(secret: str) -> None:
    assert verify_stripe(BODY, signed(secret), [CURRENT, OLD], now=NOW) == fingerprint(secret)


def test_any_of_the_signatures_that_stripe_sends_while_a_secret_rotates_is_enough() -> None:
    header = f"{signed(OLD)},v1={signed(CURRENT).partition('v1=')[2]}"
    assert verify_stripe(BODY, header, [CURRENT], now=NOW) == fingerprint(CURRENT)


@pytest.mark.parametrize("distance", [-TOLERANCE_SECONDS, TOLERANCE_SECONDS])
def test_the_tolerance_reaches_to_both_sides(distance: int) -> None:
    assert verify_stripe(BODY, signed(at=NOW + distance), [CURRENT], now=NOW)


@pytest.mark.parametrize("distance", [-TOLERANCE_SECONDS - 1, TOLERANCE_SECONDS + 1])
def test_a_timestamp_beyond_the_tolerance_is_refused_on_both_sides(distance: int) -> None:
    with pytest.raises(SignatureError, match="300 seconds"):
        verify_stripe(BODY, signed(at=NOW + distance), [CURRENT], now=NOW)


@pytest.mark.parametrize("kind", FORGERIES)
def test_every_forgery_is_refused_with_one_kind_of_error(kind: Forgery) -> None:
    with pytest.raises(SignatureError):
        verify_stripe(BODY, forged_stripe_signature(kind, BODY, CURRENT, NOW), [CURRENT], now=NOW)


def test_without_a_secret_nothing_verifies() -> None:
    with pytest.raises(SignatureError):
        verify_stripe(BODY, signed(""), [], now=NOW)


@given(header=st.text() | st.lists(st.sampled_from(["t=", "v1=", "v0=", "1795000000", "é", ",", "²", "=", " ", "a" * 64])).map("".join))
def test_no_header_raises_anything_else(header: str) -> None:
    with pytest.raises(SignatureError):
        verify_stripe(BODY, header, [CURRENT], now=NOW)
