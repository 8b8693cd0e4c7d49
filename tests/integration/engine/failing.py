"""Work that was given up, and the failed operations that tell of it."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import tasks.mail.sending
import tasks.stripe_webhooks  # noqa: F401 - registers the tasks, as its neighbour does
from models.connection import transaction
from tasks.celery_app import app
from tasks.dead_letters import bury_work
from tasks.emails import kind_of
from tasks.emails.enqueueing import enqueue
from tasks.errors import PermanentFailure
from tests.integration.engine.ledger import Ledger
from tests.mailing import claim, put_back


def failed_event(ledger: Ledger) -> tuple[UUID, UUID]:
    """An event that was given up, and its failed operation."""
    event_id = ledger.take_in("fails", ring=False)
    bury_work(app.tasks["tasks.process_stripe_webhook"], event_id, PermanentFailure("no"))
    return event_id, ledger.failures(operation_id=event_id)[0]["id"]


def failed_email(ledger: Ledger, error: Exception | None = None, *, unknown_for: timedelta | None = None) -> tuple[UUID, UUID]:
    """An email that was tried once and given up, and its failed operation."""
    with transaction() as session:
        payload = kind_of("welcome").sample.model_dump(mode="json")
        email = enqueue(session, "welcome", "ann@example.com", payload, dedupe_key=f"test/{uuid4()}")
    put_back(claim(email))
    ledger.connection.execute("UPDATE notifications SET subject = 's', html_body = 'h', text_body = 't', sender = 'x', reply_to = 'y'")
    if unknown_for is not None:
        ledger.connection.execute("UPDATE notifications SET outcome_unknown_at = now() - %s WHERE id = %s", (unknown_for, email))
    bury_work(app.tasks["tasks.send_welcome_email"], email, error or PermanentFailure("no"))
    return email, ledger.failures(operation_id=email)[0]["id"]
