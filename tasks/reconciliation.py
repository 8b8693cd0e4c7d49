"""``reconcile_stripe_events``: takes in every event that Stripe has and we never saw, so that a week of downtime is healed.

Stripe stops sending an event after three days and keeps it for thirty. Each run goes on from the last one that succeeded, with an
hour of overlap; what is taken in goes through the same INSERT and the same task as an event that came through the door.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TypedDict

import structlog
from sqlalchemy import select

from models.connection import connect_directly, transaction
from models.heartbeats import last_success
from models.schema import Json
from models.webhook_events import WebhookEvent
from models.webhook_inbox import IncomingEvent, store_events, unfinished
from settings import get_settings
from tasks.celery_app import app
from tasks.publishing import publish
from tasks.stripe_api import stripe_list
from tasks.sweep import Sweep
from tasks.webhook_messages import message_for

log = structlog.get_logger()

KEPT_BY_STRIPE = timedelta(days=30)
OVERLAP = timedelta(hours=1)
PAGE = 100  # events in one answer, Stripe's largest
NAME = "tasks.reconcile_stripe_events"


class Reconciled(TypedDict):
    """What one run found: events that Stripe listed, and how many of them were new to us."""

    since: str
    listed: int
    found: int


@app.task(name=NAME, base=Sweep, soft_time_limit=600, time_limit=660)
def reconcile_stripe_events() -> Reconciled:
    """Take in what is missing since the last success, or of the last thirty days."""
    return reconcile(where_to_go_on())


def reconcile(since: datetime) -> Reconciled:
    """List Stripe's events since then and take in the missing ones; every page is stored before the next is asked for.

    Raises ``ProviderAway`` if Stripe does not answer.
    """
    listed = found = 0
    for page in _pages(since):
        listed += len(page)
        found += _take_in(page)
    report = Reconciled(since=since.isoformat(), listed=listed, found=found)
    log.info("stripe.reconciled", **report)
    return report


def where_to_go_on() -> datetime:
    """An hour before the last run that succeeded, or as far back as Stripe's list goes."""
    oldest = datetime.now(UTC) - KEPT_BY_STRIPE
    with transaction() as session:
        last = last_success(session, NAME)
    return max(oldest, last - OVERLAP) if last else oldest


def _pages(since: datetime) -> Iterator[list[Json]]:
    """Pages of plain events, newest first as Stripe lists them."""
    query: dict[str, str | int] = {"limit": PAGE, "created[gte]": int(since.timestamp())}
    while True:
        answer = stripe_list("/v1/events", query)
        page = [dict(event) for event in answer["data"]]
        if page:
            yield page
        if not answer.get("has_more") or not page:
            return
        query["starting_after"] = page[-1]["id"]


def _take_in(page: list[Json]) -> int:
    with transaction() as session:
        known = set(
            session.execute(
                select(WebhookEvent.provider_event_id).where(
                    WebhookEvent.provider == "stripe", WebhookEvent.provider_event_id.in_([event["id"] for event in page])
                )
            ).scalars()
        )
    missing = [
        IncomingEvent.from_stripe(json.dumps(event).encode(), headers={}, verified_by="stripe-api")
        for event in reversed(page)
        if event["id"] not in known
    ]
    if missing:
        with connect_directly() as connection:
            stored = store_events(connection, missing, grace_seconds=get_settings().publish_grace_seconds)
        publish([message_for(event.provider, event.id) for event in unfinished(stored)])
    return len(missing)
