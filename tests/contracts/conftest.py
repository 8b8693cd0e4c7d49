"""The SDKs pointed at what stands in for the provider: the simulator, or the server that the environment names.

``CONTRACT_RESEND_URL`` and ``CONTRACT_RESEND_KEY`` (and ``CONTRACT_RESEND_FROM``, an address that server sends from) run the Resend
contract against another server that speaks its API; what only a scripted server can be made to do is then skipped.
"""

from __future__ import annotations

import os
from uuid import uuid4

import pytest
import resend
import stripe

from simulator.control import SimulatorClient
from tasks.mail.resend_client import PooledClient

OTHER_SERVER = os.environ.get("CONTRACT_RESEND_URL")
SENDER = os.environ.get("CONTRACT_RESEND_FROM", "Contract <shop@example.com>")


@pytest.fixture(params=["pooled", "as it ships"])
def resend_server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The Resend SDK, with our pooled client and with its own, talking to the server under contract."""
    url = OTHER_SERVER or request.getfixturevalue("simulator").resend_api_url
    monkeypatch.setattr(resend, "api_url", url)
    monkeypatch.setattr(resend, "api_key", os.environ.get("CONTRACT_RESEND_KEY", "re_contract"))
    if request.param == "pooled":
        monkeypatch.setattr(resend, "default_http_client", PooledClient())
    return url


@pytest.fixture
def scripted(resend_server: str, simulator: SimulatorClient) -> SimulatorClient:
    """The simulator behind the SDK, where the test scripts a fault."""
    if OTHER_SERVER:
        pytest.skip("only the simulator can be scripted")
    return simulator


@pytest.fixture
def mail() -> resend.Emails.SendParams:
    """A mail that every test may send; Resend's own test address takes it."""
    return {
        "from": SENDER,
        "to": ["delivered@resend.dev"],
        "subject": f"Contract {uuid4()}",
        "html": "<p>Hello</p>",
        "text": "Hello",
        "headers": {"X-Entity-Ref-ID": str(uuid4())},
        "tags": [{"name": "kind", "value": "contract"}],
    }


@pytest.fixture
def key() -> str:
    return f"contract/{uuid4()}"


@pytest.fixture
def stripe_sdk(simulator: SimulatorClient) -> stripe.StripeClient:
    return stripe.StripeClient("sk_test_contract", max_network_retries=0, base_addresses={"api": simulator.stripe_api_url})
