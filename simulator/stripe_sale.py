"""One purchase as Stripe knows it: the facts from which its objects and events are built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from simulator.stripe_ids import session_id, stripe_id

PaymentStatus = Literal["paid", "unpaid", "no_payment_required"]
ACCOUNT = "acct_1SimulatorRedrive"


@dataclass(frozen=True, kw_only=True)
class Sale:
    """The ids follow from ``purchase_id`` unless given, so any process can name the session of a purchase.

    Stripe copies nothing from a session to its payment: ``payment_metadata`` is what the shop gave as
    ``payment_intent_data[metadata]``, and stands on the payment intent and its charge.
    """

    purchase_id: str
    email: str = "ada@example.com"
    name: str = "Ada Buyer"
    description: str = "Leads"
    amount_cents: int = 2500
    currency: str = "usd"
    created: int = 1_793_000_000
    livemode: bool = False
    payment_method: str = "card"
    metadata: Mapping[str, str] = field(default_factory=dict)
    payment_metadata: Mapping[str, str] | None = None
    shop_url: str = "http://127.0.0.1:8000"
    session_id: str = ""
    payment_intent_id: str = ""
    charge_id: str = ""

    def __post_init__(self) -> None:
        for name, value in (
            ("session_id", session_id(self.purchase_id, livemode=self.livemode)),
            ("payment_intent_id", stripe_id("pi_3", self.purchase_id)),
            ("charge_id", stripe_id("ch_3", self.purchase_id)),
        ):
            if not getattr(self, name):
                object.__setattr__(self, name, value)

    @property
    def all_metadata(self) -> dict[str, str]:
        return {"purchase_id": self.purchase_id, **self.metadata}

    @property
    def metadata_of_payment(self) -> dict[str, str]:
        return self.all_metadata if self.payment_metadata is None else dict(self.payment_metadata)

    def other_id(self, prefix: str) -> str:
        """The id of one more object of this sale: its payment method, balance transaction, invoice and so on."""
        return stripe_id(prefix, self.purchase_id)
