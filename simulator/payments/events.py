"""Makes events of what happened in the simulated account, keeps them for 30 days and hands them to the courier."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from secrets import token_hex
from typing import Any

from simulator.clock import Clock
from simulator.courier import Courier, FirstAttempt
from simulator.payments.errors import StripeError, missing
from simulator.payments.form import whole_number
from simulator.payments.till import Happening
from simulator.store import Row, Store
from simulator.stripe_events import Event, encode_event, event_envelope, override
from simulator.stripe_ids import stripe_id
from simulator.stripe_objects import DAY_SECONDS

KEPT_SECONDS = 30 * DAY_SECONDS
MAX_PAGE = 100
TIME_OPERATORS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


class StripeEvents:
    """The account's events: made here, delivered by the courier, listed as ``GET /v1/events`` lists them."""

    def __init__(self, store: Store, courier: Courier, clock: Clock) -> None:
        self.courier = courier
        self._store = store
        self._clock = clock
        self._seen: dict[str, FirstAttempt] = {}

    def tell(self, happenings: Sequence[Happening], changes: Mapping[str, object] | None = None, *, deliver: bool = True) -> list[str]:
        """One event for each happening, in order; ``changes`` are overrides by dotted path. The ids of the events."""
        return [self.emit(self._event(happening), changes, deliver=deliver) for happening in happenings]

    def emit(self, event: Event, changes: Mapping[str, object] | None = None, *, deliver: bool = True) -> str:
        event = override(event, changes) if changes else event
        identity = str(event["id"])
        first = self.courier.take(identity, str(event["type"]), encode_event(event), deliver=deliver)
        if first is not None:
            self._seen[identity] = first
            first.add_done_callback(lambda _: self._seen.pop(identity, None))
        return identity

    async def first_attempts(self, event_ids: Sequence[str], timeout_seconds: float) -> None:
        """Wait until each of these has been tried once."""
        waiting = [self._seen[identity] for identity in event_ids if identity in self._seen]
        if waiting:
            await asyncio.wait(waiting, timeout=timeout_seconds)

    def get(self, identity: str) -> Event:
        found = self.courier.log.find(identity)
        if found is None or found["created"] < self._clock.now() - KEPT_SECONDS:
            raise missing("event", identity)
        return _public(found["event"], found["state"])

    def page(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Newest first; ``starting_after`` goes on to older events, ``ending_before`` back to newer ones."""
        limit = whole_number(params.get("limit", 10), "limit")
        if not 1 <= limit <= MAX_PAGE:
            raise StripeError(f"limit is between 1 and {MAX_PAGE}.", param="limit")
        where, values = self._conditions(params)
        newer = params.get("ending_before")
        order = "ASC" if newer else "DESC"
        rows = self._store.rows(
            f"SELECT * FROM events WHERE {' AND '.join(where)} ORDER BY seq {order} LIMIT ?",  # noqa: S608 - conditions of this file
            (*values, limit + 1),
        )
        found = [_public(json.loads(row["body"]), row["state"]) for row in rows[:limit]]
        return {"object": "list", "data": found[::-1] if newer else found, "has_more": len(rows) > limit, "url": "/v1/events"}

    def _conditions(self, params: Mapping[str, Any]) -> tuple[list[str], list[Any]]:
        where, values = ["provider = 'stripe'", "created >= ?"], [self._clock.now() - KEPT_SECONDS]
        for name, moment in _created_bounds(params.get("created")):
            where.append(f"CAST(created AS INTEGER) {name} ?")
            values.append(moment)
        types = params.get("types") or ([params["type"]] if params.get("type") else [])
        if types:
            where.append("(" + " OR ".join("type GLOB ?" for _ in types) + ")")
            values += types
        if "delivery_success" in params:
            where.append("state = 'delivered'" if params["delivery_success"] == "true" else "state <> 'delivered'")
        for name, operator in (("starting_after", "<"), ("ending_before", ">")):
            if params.get(name):
                where.append(f"seq {operator} ?")
                values.append(self._cursor(str(params[name]))["seq"])
        return where, values

    def _cursor(self, identity: str) -> Row:
        row = self._store.row("SELECT seq FROM events WHERE provider = 'stripe' AND id = ?", (identity,))
        if row is None:
            raise missing("event", identity)
        return row

    def _event(self, happening: Happening) -> Event:
        return event_envelope(
            happening.event_type,
            happening.content,
            created=int(self._clock.now()),
            event_id=stripe_id("evt_1", token_hex(16)),
            livemode=happening.content.get("livemode", happening.livemode),
            previous=happening.previous,
        )


def _created_bounds(created: Any) -> list[tuple[str, int]]:
    if created is None:
        return []
    if not isinstance(created, dict):
        return [("=", whole_number(created, "created"))]
    unknown = set(created) - set(TIME_OPERATORS)
    if unknown:
        raise StripeError(f"Received unknown parameter: created[{unknown.pop()}]", code="parameter_unknown", param="created")
    return [(TIME_OPERATORS[name], whole_number(moment, f"created[{name}]")) for name, moment in created.items()]


def _public(event: Event, state: str) -> Event:
    """As the API shows it: ``pending_webhooks`` counts the endpoints that have not answered yet."""
    return {**event, "pending_webhooks": 0 if state == "delivered" else 1}
