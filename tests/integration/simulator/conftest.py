"""A few hands for talking to the simulator as the product does."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
import requests
import stripe

from simulator.control import SimulatorClient

Send = Callable[..., requests.Response]
NewSession = Callable[..., stripe.checkout.Session]


@pytest.fixture
def send(simulator: SimulatorClient) -> Send:
    """``send(to="a@example.com", key="k")``: one mail over plain HTTP; whatever else is given replaces a part of it."""
    numbers = count(1)

    def post(*, key: str | None = None, timeout_seconds: float = 10, **parts: Any) -> requests.Response:
        mail = {"from": "Shop <shop@example.com>", "to": "ada@example.com", "subject": f"Mail {next(numbers)}", "text": "Hello", **parts}
        headers = {"Authorization": "Bearer re_test"} | ({"Idempotency-Key": key} if key else {})
        return requests.post(f"{simulator.resend_api_url}/emails", json=mail, headers=headers, timeout=timeout_seconds)

    return post


@pytest.fixture
def new_session(simulator: SimulatorClient) -> NewSession:
    """``new_session("purchase-1")``: a Checkout session, open."""
    sdk = stripe.StripeClient("sk_test_shop", max_network_retries=0, base_addresses={"api": simulator.stripe_api_url})

    def create(purchase_id: str = "purchase-1", *, amount_cents: int = 2500) -> stripe.checkout.Session:
        item: Any = {"price_data": {"currency": "usd", "unit_amount": amount_cents, "product_data": {"name": "Lead"}}, "quantity": 1}
        return sdk.v1.checkout.sessions.create(
            {
                "mode": "payment",
                "line_items": [item],
                "client_reference_id": purchase_id,
                "customer_email": "ada@example.com",
                "success_url": "http://127.0.0.1:9/thanks?session={CHECKOUT_SESSION_ID}",
            }
        )

    return create
