"""The Stripe SDK as this product uses it: short timeouts, one retry, and the address of the settings."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from models.schema import Json
from settings import get_settings
from tasks.errors import ProviderAway

if TYPE_CHECKING:
    import stripe

TIMEOUT_SECONDS = (3.05, 10.0)  # connect, read; the SDK's own 80 s would outlast every lease
BROKEN, TOO_MANY = 500, 429


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


def stripe_list(path: str, query: dict[str, str | int]) -> Json:
    """One page of a list as plain JSON: the SDK's objects would turn some numbers into ``Decimal``.

    Raises ``ProviderAway`` if Stripe does not answer, is broken or wants fewer requests; the SDK's own errors are left for what is
    wrong on our side, such as a key that Stripe does not accept.
    """
    client = stripe_client()
    import stripe

    try:
        return dict(client.raw_request("get", f"{path}?{urlencode(query)}").data)
    except stripe.StripeError as error:
        status = error.http_status
        if isinstance(error, stripe.APIConnectionError) or status is None or status >= BROKEN or status == TOO_MANY:
            raise ProviderAway(f"Stripe does not answer now ({type(error).__name__}, status {status}).") from error
        raise
