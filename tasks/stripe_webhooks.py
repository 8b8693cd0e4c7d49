"""``process_stripe_webhook``: does what one stored Stripe event means, in one transaction."""

from __future__ import annotations

import json

from sqlalchemy.orm import Session

from models.webhook_events import WebhookEvent
from settings import get_settings
from tasks import stripe_events
from tasks.celery_app import app
from tasks.shelves import fill
from tasks.stripe_events import StripeEvent, handler_of
from tasks.webhook_task import WebhookTask


@app.task(name="tasks.process_stripe_webhook", base=WebhookTask, bind=True, max_retries=5)
def process_stripe_webhook(self: WebhookTask, event_id: str) -> str:
    """Process one event: lock it, do what it means, mark it, promise the emails, commit; then the messages are published.

    5 retries after about 2, 4, 8, 16 and 32 s; returns ``processed`` or ``ignored``.
    """
    return self.process(event_id, _apply)


def _apply(session: Session, event: WebhookEvent) -> tuple[str, str | None]:
    if event.livemode is not None and event.livemode != get_settings().livemode:
        kind, deployment = ("live", "test") if event.livemode else ("test", "live")
        return "ignored", f"a {kind} event in a {deployment} deployment"
    handler = handler_of(event.event_type)
    if handler is None:
        return "ignored", f"no handler for {event.event_type}"
    handler(session, StripeEvent(json.loads(event.body)))
    return "processed", None


fill(stripe_events)
