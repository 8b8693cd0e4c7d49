"""The way into ``webhook_events``: what of an event becomes a column, and the one INSERT that makes it durable."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, NoReturn, Self
from uuid import UUID

import orjson
import psycopg

LONGEST_NAME = 255  # characters of an event id or type


class NotAnEventError(ValueError):
    """The body is not an event of this provider; the message says what is wrong with it."""


class IncomingEvent(NamedTuple):
    """One event before it is stored: the raw bytes and what is read out of them."""

    provider: str
    provider_event_id: str
    event_type: str
    body: bytes
    headers: dict[str, str]
    livemode: bool | None
    account: str | None
    api_version: str | None
    verified_by: str

    @classmethod
    def from_stripe(cls, body: bytes, *, headers: dict[str, str], verified_by: str) -> Self:
        """Read Stripe's envelope (snapshot or thin events); raises ``NotAnEventError``."""
        event = parse_object(body)
        if event.get("object", "event") not in {"event", "v2.core.event"}:
            raise NotAnEventError('"object" is neither "event" nor "v2.core.event"')
        livemode = event.get("livemode")
        return cls(
            provider="stripe",
            provider_event_id=_name(event, "id"),
            event_type=_name(event, "type"),
            body=body,
            headers=headers,
            livemode=livemode if isinstance(livemode, bool) else None,
            account=_optional_name(event, "account"),
            api_version=_optional_name(event, "api_version"),
            verified_by=verified_by,
        )

    @classmethod
    def from_resend(cls, body: bytes, *, event_id: str, headers: dict[str, str], verified_by: str) -> Self:
        """Read Resend's envelope, whose id is the ``svix-id`` header; raises ``NotAnEventError``."""
        event = parse_object(body)
        if not isinstance(event.get("data"), dict):
            raise NotAnEventError('"data" is not an object')
        return cls(
            provider="resend",
            provider_event_id=_name({"svix-id": event_id}, "svix-id"),
            event_type=_name(event, "type"),
            body=body,
            headers=headers,
            livemode=None,
            account=None,
            api_version=None,
            verified_by=verified_by,
        )


class StoredEvent(NamedTuple):
    """What the INSERT found: ``fresh`` is False for a duplicate, ``status`` is the row's own."""

    id: UUID
    provider: str
    provider_event_id: str
    status: str
    fresh: bool

    @property
    def unfinished(self) -> bool:
        """Whether somebody should look at it: also a duplicate drives unfinished work on (dj-stripe issue 832)."""
        return self.status in {"pending", "running"}


# All facts are one JSON text beside the bodies: an array for each column costs twice the CPU on both sides. ``ROWS FROM`` joins the
# two by their places. ``sweep_at`` leaves the row to the message that is published next; if that is lost, the sweep takes over.
_STORE = """
    INSERT INTO webhook_events
        (provider, provider_event_id, event_type, headers, livemode, account, api_version, verified_by, body, sweep_at)
    SELECT t.*, now() + make_interval(secs => %b::float8)
    FROM ROWS FROM (
        jsonb_to_recordset(%b::text::jsonb) AS (
            provider text, provider_event_id text, event_type text, headers jsonb, livemode bool, account text, api_version text,
            verified_by text),
        unnest(%b::bytea[])) AS t
    ON CONFLICT (provider, provider_event_id) DO UPDATE SET duplicates = webhook_events.duplicates + 1
    RETURNING id, provider, provider_event_id, status, xmax = 0
"""


def store_events(connection: psycopg.Connection[Any], events: Sequence[IncomingEvent], *, grace_seconds: float) -> list[StoredEvent]:
    """Store all events in one statement, which is one durable commit on an autocommit connection; answers in the order given.

    An event that is given twice is stored once. Rows are sorted by key, so that two receivers cannot lock each other out.
    """
    distinct = {(event.provider, event.provider_event_id): event for event in reversed(events)}
    facts = [distinct[key]._asdict() for key in sorted(distinct)]
    bodies = [fact.pop("body") for fact in facts]
    rows = connection.execute(_STORE, [grace_seconds, orjson.dumps(facts).decode(), bodies], prepare=True)
    stored = {(row[1], row[2]): StoredEvent(*row) for row in rows}
    return [stored[event.provider, event.provider_event_id] for event in events]


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object in ``body``; raises ``NotAnEventError`` for anything else, NaN and endless nesting included.

    An integer of more than 64 bits may come back as a float: nothing of this event's envelope is one.
    """
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:  # also for half of a surrogate pair, which is JSON all the same
        parsed = _parse_patiently(body)
    if not isinstance(parsed, dict):
        raise NotAnEventError("the body is not a JSON object")
    return parsed


def unfinished(stored: Iterable[StoredEvent]) -> list[StoredEvent]:
    """The events that need somebody to look at them, each once."""
    return list({event.id: event for event in stored if event.unfinished}.values())


def _parse_patiently(body: bytes) -> Any:
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise NotAnEventError("the body is not JSON") from error


def _is_storable(name: str) -> bool:
    """Whether PostgreSQL can hold it: no NUL, no lone surrogate, not endless."""
    try:
        return 0 < len(name) <= LONGEST_NAME and b"\0" not in name.encode()
    except UnicodeEncodeError:
        return False


def _name(event: dict[str, Any], key: str) -> str:
    value = event.get(key)
    if not isinstance(value, str) or not _is_storable(value):
        raise NotAnEventError(f'"{key}" is missing or not a short text')
    return value


def _optional_name(event: dict[str, Any], key: str) -> str | None:
    return None if event.get(key) is None else _name(event, key)


def _refuse_constant(name: str) -> NoReturn:
    raise NotAnEventError(f"the body is not JSON: {name} is not a number")
