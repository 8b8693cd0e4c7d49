"""``credit_purchase``: the receipt for credits, with the new balance."""

from __future__ import annotations

from datetime import UTC, datetime

from tasks.emails import EmailKind, register
from tasks.emails.parameters import Cents, Count, Currency, Line, Moment, Name, Parameters


class CreditPurchase(Parameters):
    """Credits that were bought; ``balance`` is what the account holds now."""

    purchase_id: Line
    buyer_name: Name | None = None
    currency: Currency
    total_cents: Cents
    credits: Count
    balance: int
    purchased_at: Moment


CREDIT_PURCHASE = register(
    EmailKind(
        name="credit_purchase",
        subject="{{ credits | number }} credits were added to your account",
        retries=3,
        sample=CreditPurchase(
            purchase_id="1d8b3d40-9a11-4d3c-8c62-3a0b8f6f9e07",
            buyer_name="Grace Hopper",
            currency="eur",
            total_cents=9_900,
            credits=1_000,
            balance=1_240,
            purchased_at=datetime(2026, 11, 3, 9, 5, tzinfo=UTC),
        ),
    )
)
