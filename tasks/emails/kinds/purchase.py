"""``purchase``: the receipt of what somebody bought."""

from __future__ import annotations

from datetime import UTC, datetime

from tasks.emails import EmailKind, register
from tasks.emails.parameters import Cents, Count, Currency, Line, Moment, Name, Paragraph, Parameters


class Item(Parameters):
    """One line of the receipt; ``amount_cents`` is the sum of the line, in minor units."""

    description: Line
    quantity: Count
    amount_cents: Cents


class Purchase(Parameters):
    """A completed purchase with its items; ``note`` is a sentence of the shop's own."""

    purchase_id: Line
    buyer_name: Name | None = None
    currency: Currency
    total_cents: Cents
    items: tuple[Item, ...]
    purchased_at: Moment
    note: Paragraph | None = None


PURCHASE = register(
    EmailKind(
        name="purchase",
        subject="Your purchase at {{ shop_name }}: {{ total_cents | money(currency) }}",
        retries=3,
        sample=Purchase(
            purchase_id="7c9a1f6e-3b52-4f0d-9a58-0f3f6c1f2b44",
            buyer_name="Ada Lovelace",
            currency="usd",
            total_cents=14_900,
            items=(
                Item(description="Lead: roof repair, 78704 Austin", quantity=1, amount_cents=4_900),
                Item(description="Lead: kitchen remodel, 78745 Austin", quantity=1, amount_cents=6_000),
                Item(description="Priority listing, 30 days", quantity=2, amount_cents=4_000),
            ),
            purchased_at=datetime(2026, 11, 3, 17, 42, tzinfo=UTC),
            note="The contact details of your leads are in your account.",
        ),
    )
)
