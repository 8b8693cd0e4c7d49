"""The objects of the simulated Stripe account: sessions with their line items, payment intents, charges and refunds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from simulator.payments.errors import missing
from simulator.store import Store
from simulator.stripe_objects import StripeJson

NAMES = {"checkout.session": "checkout session", "payment_intent": "payment_intent"}


class Ledger:
    """Objects by id, each of one kind; ``get`` answers an unknown id as Stripe does."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, kind: str, content: StripeJson | Sequence[StripeJson], identity: str) -> None:
        self._store.run(
            "INSERT INTO stripe_objects (id, kind, body) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            (identity, kind, json.dumps(content)),
        )

    def find(self, kind: str, identity: str) -> StripeJson | None:
        row = self._store.row("SELECT body FROM stripe_objects WHERE id = ? AND kind = ?", (identity, kind))
        if row is None:
            return None
        found: StripeJson = json.loads(row["body"])
        return found

    def get(self, kind: str, identity: str) -> StripeJson:
        found = self.find(kind, identity)
        if found is None:
            raise missing(NAMES.get(kind, kind), identity)
        return found

    def line_items(self, session_id: str) -> list[StripeJson]:
        found: Any = self.find("line_items", f"{session_id}/line_items")
        return found or []

    def session_of_purchase(self, purchase_id: str) -> StripeJson | None:
        """The newest session whose ``client_reference_id`` is the purchase."""
        return self._newest_where("checkout.session", "json_extract(body, '$.client_reference_id') = ?", purchase_id)

    def session_of_payment(self, payment_intent_id: str) -> StripeJson | None:
        return self._newest_where("checkout.session", "json_extract(body, '$.payment_intent') = ?", payment_intent_id)

    def latest_refund(self, payment_intent_id: str) -> StripeJson | None:
        return self._newest_where("refund", "json_extract(body, '$.payment_intent') = ?", payment_intent_id)

    def overdue_sessions(self, now: float) -> list[str]:
        rows = self._store.rows(
            "SELECT id FROM stripe_objects WHERE kind = 'checkout.session' AND json_extract(body, '$.status') = 'open'"
            " AND json_extract(body, '$.expires_at') <= ?",
            (now,),
        )
        return [row["id"] for row in rows]

    def newest_sessions(self, limit: int) -> list[StripeJson]:
        rows = self._store.rows("SELECT body FROM stripe_objects WHERE kind = 'checkout.session' ORDER BY seq DESC LIMIT ?", (limit,))
        return [json.loads(row["body"]) for row in rows]

    def _newest_where(self, kind: str, condition: str, value: str) -> StripeJson | None:
        """``kind`` stands in the statement itself, since only then SQLite can use the indexes that are made for one kind."""
        statement = f"SELECT body FROM stripe_objects WHERE kind = '{kind}' AND {condition} ORDER BY seq DESC LIMIT 1"  # noqa: S608
        row = self._store.row(statement, (value,))
        if row is None:
            return None
        found: StripeJson = json.loads(row["body"])
        return found
