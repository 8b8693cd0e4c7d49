"""Every signature the simulator makes is verified by the SDK that shops verify with; every forgery is refused by it."""

from __future__ import annotations

import json
import time

import pytest
import resend
import stripe

from settings import DEVELOPMENT_SECRETS  # with which the simulator of the tests signs
from simulator.control import SimulatorClient
from simulator.signing import FORGERIES, Forgery, forged_stripe_signature, resend_headers, stripe_signature
from simulator.stripe_events import API_VERSION, BUILDERS, Details, Sale, build_event, encode_event
from tests.eventually import eventually
from tests.receiver import Receiver

SECRET = "whsec_dGVzdHMgc2lnbiB3aXRoIHRoaXMgc2VjcmV0"
SALE = Sale(purchase_id="0191-contract")
ACCEPTED_BY_THE_SDK: set[Forgery] = {"future"}  # it does not look ahead; our own receiver does


@pytest.mark.parametrize("event_type", [*BUILDERS, "widget.exploded"])
def test_stripes_sdk_takes_every_event(event_type: str) -> None:
    body = encode_event(build_event(event_type, SALE, created=int(time.time())))
    event = stripe.Webhook.construct_event(body, stripe_signature(body, SECRET, time.time()), SECRET)
    assert (event.type, event.api_version, event.object) == (event_type, API_VERSION, "event")


@pytest.mark.parametrize("secret", ["whsec_old", "whsec_new"])
def test_while_a_secret_is_rotated_both_verify(secret: str) -> None:
    header = stripe_signature(b"{}", ["whsec_old", "whsec_new"], time.time())
    assert stripe.WebhookSignature.verify_header(b"{}", header, secret, 300)


@pytest.mark.parametrize("kind", sorted(set(FORGERIES) - ACCEPTED_BY_THE_SDK))
def test_stripes_sdk_refuses_every_forgery(kind: Forgery) -> None:
    header = forged_stripe_signature(kind, b"{}", SECRET, time.time())
    with pytest.raises((stripe.SignatureVerificationError, TypeError)):  # TypeError: its own bug with other letters than ASCII
        stripe.WebhookSignature.verify_header(b"{}", header, SECRET, 300)


def test_the_same_arguments_make_the_same_event() -> None:
    details = Details(refund_cents=500)
    events = [encode_event(build_event("charge.refunded", SALE, created=1_793_000_000, details=details)) for _ in range(2)]
    assert events[0] == events[1]


def _verified(body: str, headers: dict[str, str], secret: str) -> dict[str, object]:
    message_id, timestamp, signature = headers["svix-id"], headers["svix-timestamp"], headers["svix-signature"]
    given = {"id": message_id, "timestamp": timestamp, "signature": signature}
    return dict(resend.Webhooks.verify({"payload": body, "headers": given, "webhook_secret": secret}))  # type: ignore[typeddict-item]


@pytest.mark.parametrize("secret", ["whsec_Zmlyc3Qgc2VjcmV0IG9mIHR3bw==", "whsec_c2Vjb25kIHNlY3JldCBvZiB0d28="])
def test_resends_sdk_takes_a_notice_signed_with_any_secret(secret: str) -> None:
    body = json.dumps({"type": "email.delivered", "data": {"subject": "Grüße"}})
    secrets = ("whsec_Zmlyc3Qgc2VjcmV0IG9mIHR3bw==", "whsec_c2Vjb25kIHNlY3JldCBvZiB0d28=")
    assert _verified(body, resend_headers(body, secrets, "msg_1", time.time()), secret)["type"] == "email.delivered"


def test_resends_sdk_refuses_a_stale_notice() -> None:
    with pytest.raises(ValueError, match="timestamp"):
        _verified("{}", resend_headers("{}", SECRET, "msg_1", time.time() - 400), SECRET)


def test_what_is_delivered_is_what_the_sdks_verify(
    told_simulator: SimulatorClient, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    told_simulator.trigger("invoice.paid")
    delivered = receiver.deliveries[0]
    assert stripe.Webhook.construct_event(
        delivered.body, delivered.headers["Stripe-Signature"], DEVELOPMENT_SECRETS["STRIPE_WEBHOOK_SECRET"]
    )
    monkeypatch.setattr(resend, "api_url", told_simulator.resend_api_url)
    monkeypatch.setattr(resend, "api_key", "re_contract")
    email_id = resend.Emails.send({"from": "a@example.com", "to": "b@example.com", "subject": "s", "html": "h"})["id"]
    told_simulator.send_resend_event(email_id, "email.bounced", type="Transient")
    [notice] = eventually(lambda: [delivery for delivery in receiver.deliveries if delivery.path == "/webhooks/resend"])
    content = _verified(notice.body.decode(), notice.headers, DEVELOPMENT_SECRETS["RESEND_WEBHOOK_SECRET"])
    assert content["type"] == "email.bounced"
