"""The Stripe SDK as this product uses it: short timeouts, one retry, and the address of the settings."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from settings import get_settings

if TYPE_CHECKING:
    import stripe

TIMEOUT_SECONDS = (3.05, 10.0)  # connect, read; the SDK's own 80 s would outlast every lease


@cache
def stripe_client() -> stripe.StripeClient:
    """The client of this process. The SDK is imported here, since it costs 0.4 s and 26 MB that the receiver does not need."""
    import stripe

    settings = get_settings()
    return stripe.StripeClient(
        settings.stripe_secret_key.get_secret_value(),
        http_client=stripe.RequestsClient(timeout=TIMEOUT_SECONDS),
        max_network_retries=1,
        base_addresses={"api": settings.stripe_api_url},
    )
