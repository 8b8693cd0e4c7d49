"""``refund``: what was paid back, this time and altogether."""

from __future__ import annotations

from datetime import UTC, datetime

from tasks.emails import EmailKind, register
from tasks.emails.parameters import Cents, Currency, Line, Moment, Name, Parameters


class Refund(Parameters):
    """A refund, whole or partial; ``refunded_cents`` is this one, ``total_refunded_cents`` all of them."""

    purchase_id: Line
    buyer_name: Name | None = None
    currency: Currency
    refunded_cents: Cents
    total_refunded_cents: Cents
    total_cents: Cents
    full: bool
    refunded_at: Moment


REFUND = register(
    EmailKind(
        name="refund",
        subject="Your refund of {{ refunded_cents | money(currency) }} from {{ shop_name }}",
        retries=2,
        sample=Refund(
            purchase_id="7c9a1f6e-3b52-4f0d-9a58-0f3f6c1f2b44",
            buyer_name="Ada Lovelace",
            currency="usd",
            refunded_cents=4_900,
            total_refunded_cents=4_900,
            total_cents=14_900,
            full=False,
            refunded_at=datetime(2026, 11, 9, 15, 20, tzinfo=UTC),
        ),
    )
)
