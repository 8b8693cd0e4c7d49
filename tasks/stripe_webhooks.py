"""``process_stripe_webhook``: does what one stored Stripe event means, in one transaction."""

from __future__ import annotations

import json
from typing import ClassVar
from uuid import UUID

from sqlalchemy.orm import Session

from models.connection import transaction
from models.schema import Json
from models.webhook_events import WEBHOOK_EVENTS, WebhookEvent, load_event, providers_of
from models.work import Claim, WorkTable
from settings import get_settings
from tasks import stripe_events
from tasks.celery_app import app
from tasks.envelope import Message
from tasks.finishing import finish
from tasks.recovery import Lane, register_lane
from tasks.shelves import fill
from tasks.stripe_events import StripeEvent, handler_of
from tasks.webhook_messages import QUEUE, message_for
from tasks.work_task import WorkTask


class StripeWebhookTask(WorkTask):
    """The row is an event of ``webhook_events``."""

    abstract = True
    work_table: ClassVar[WorkTable] = WEBHOOK_EVENTS
    operation_type: ClassVar[str] = "webhook"

    def describe(self, session: Session, row_id: UUID) -> Json:
        """The event as Stripe sent it."""
        event = load_event(session, row_id)
        return dict(json.loads(event.body))


@app.task(name="tasks.process_stripe_webhook", base=StripeWebhookTask, bind=True, max_retries=5)
def process_stripe_webhook(self: StripeWebhookTask, event_id: str) -> str:
    """Process one event: lock it, do what it means, mark it, promise the emails, commit; then the messages are published.

    5 retries after about 2, 4, 8, 16 and 32 s; returns ``processed`` or ``ignored``.
    """
    return self.attempt(event_id, _process)


def _process(claim: Claim) -> str:
    with transaction() as session:
        WEBHOOK_EVENTS.hold(session, claim)
        event = load_event(session, claim.id)
        status, note = _apply(session, event)
        finish(session, WEBHOOK_EVENTS, claim, status, operation_type=StripeWebhookTask.operation_type, note=note)
    return status


def _apply(session: Session, event: WebhookEvent) -> tuple[str, str | None]:
    if event.livemode is not None and event.livemode != get_settings().livemode:
        kind, deployment = ("live", "test") if event.livemode else ("test", "live")
        return "ignored", f"a {kind} event in a {deployment} deployment"
    handler = handler_of(event.event_type)
    if handler is None:
        return "ignored", f"no handler for {event.event_type}"
    handler(session, StripeEvent(json.loads(event.body)))
    return "processed", None


def _messages(session: Session, event_ids: list[UUID]) -> list[Message]:
    providers = providers_of(session, event_ids)
    return [message_for(providers[event_id], event_id) for event_id in event_ids]


fill(stripe_events)
register_lane(Lane("webhooks", WEBHOOK_EVENTS, QUEUE, _messages, lambda _session, _id: process_stripe_webhook))
