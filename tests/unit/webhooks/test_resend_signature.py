"""Promises of ``webhooks.resend_signature``."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
import resend
from hypothesis import given
from hypothesis import strategies as st

from settings import Settings, SettingsError
from simulator.signing import resend_headers
from webhooks.resend_signature import verify_resend
from webhooks.stripe_signature import TOLERANCE_SECONDS, SignatureError, fingerprint

BODY = b'{"type": "email.delivered", "data": {"subject": "Gr\xc3\xbc\xc3\x9fe"}}'
NOW = 1_795_000_000
CURRENT = "whsec_" + base64.b64encode(b"c" * 24).decode()
OLD = "whsec_" + base64.b64encode(b"o" * 25).decode()


def signed(*secrets: str, at: int = NOW, body: bytes = BODY, message_id: str = "msg_1") -> dict[str, str]:
    """The three headers, made by hand as the specification says."""
    content = f"{message_id}.{at}.".encode() + body
    keys = [base64.b64decode(secret.removeprefix("whsec_")) for secret in secrets or (CURRENT,)]
    signatures = [base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode() for key in keys]
    return {"message_id": message_id, "timestamp": str(at), "signature": " ".join(f"v1,{each}" for each in signatures)}


def verify(headers: dict[str, str], *secrets: str, body: bytes = BODY, now: float = NOW) -> str:
    return verify_resend(body, **headers, secrets=secrets or (CURRENT,), now=now)


def test_a_signature_made_by_hand_verifies_and_so_does_the_simulators() -> None:
    assert verify(signed()) == fingerprint(CURRENT)
    made = resend_headers(BODY.decode(), CURRENT, "msg_1", NOW)
    assert {name: made[f"svix-{name.removeprefix('message_')}"] for name in signed()} == signed()


def test_resends_own_sdk_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resend.webhooks._webhooks.time.time", lambda: NOW)
    headers = signed()
    given = {"id": headers["message_id"], "timestamp": headers["timestamp"], "signature": headers["signature"]}
    resend.Webhooks.verify({"payload": BODY.decode(), "headers": given, "webhook_secret": CURRENT})  # type: ignore[typeddict-item]


@pytest.mark.parametrize("secret", [CURRENT, OLD])
def test_every_active_secret_verifies_and_the_answer_tells_which(secret: str) -> None:
    assert verify(signed(secret), CURRENT, OLD) == fingerprint(secret)


def test_any_of_several_signatures_is_enough() -> None:
    assert verify(signed(OLD, CURRENT)) == fingerprint(CURRENT)


@pytest.mark.parametrize("distance", [-TOLERANCE_SECONDS, TOLERANCE_SECONDS])
def test_the_tolerance_reaches_to_both_sides(distance: int) -> None:
    assert verify(signed(at=NOW + distance))


@pytest.mark.parametrize("distance", [-TOLERANCE_SECONDS - 1, TOLERANCE_SECONDS + 1])
def test_beyond_the_tolerance_is_refused_on_both_sides(distance: int) -> None:
    with pytest.raises(SignatureError, match="300 seconds"):
        verify(signed(at=NOW + distance))


@pytest.mark.parametrize(
    "change",
    [
        {"signature": signed(OLD)["signature"]},
        {"signature": signed()["signature"].replace("v1,", "v9,")},
        {"signature": signed()["signature"].replace("v1,", "v1a,")},
        {"signature": "v1,"},
        {"signature": "v1,é"},
        {"signature": "v1," + "A" * 5000},
        {"signature": "v1"},
        {"signature": ""},
        {"timestamp": "nan"},
        {"timestamp": "1e9"},
        {"timestamp": "-1"},
        {"timestamp": "9" * 400},
        {"timestamp": "²"},
        {"timestamp": ""},
        {"message_id": "msg_2"},
        {"message_id": "é"},
        {"message_id": ""},
    ],
)
def test_everything_else_is_refused_with_one_kind_of_error(change: dict[str, str]) -> None:
    with pytest.raises(SignatureError):
        verify(signed() | change)


@pytest.mark.parametrize("body", [BODY + b" ", b"\xff", b""])
def test_another_body_is_refused(body: bytes) -> None:
    with pytest.raises(SignatureError):
        verify(signed(), body=body)


@given(headers=st.fixed_dictionaries(dict.fromkeys(signed(), st.text() | st.none())), body=st.binary())
def test_nothing_that_is_sent_raises_anything_else(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(SignatureError):
        verify(headers, body=body)


def test_without_a_secret_nothing_verifies() -> None:
    with pytest.raises(SignatureError):
        verify_resend(BODY, **signed(), secrets=[], now=NOW)


@pytest.mark.parametrize("secret", ["whsec_", "whsec_***", "whsec_=", f"{CURRENT},whsec_!"])
def test_a_secret_that_a_lenient_decoder_makes_an_empty_key_of_stops_the_start(secret: str) -> None:
    environ = {"DATABASE_URL": "postgres://127.0.0.1/x", "REDIS_URL": "redis://127.0.0.1", "RESEND_WEBHOOK_SECRET": secret}
    with pytest.raises(SettingsError, match="RESEND_WEBHOOK_SECRET"):
        Settings.from_environment(environ)
