"""``process_resend_webhook``: writes down what one stored Resend event says about one of our mails, in one transaction."""

from __future__ import annotations

import json
from datetime import timedelta

from sqlalchemy.orm import Session

from models.delivery_reports import find_mail
from models.webhook_events import WebhookEvent
from tasks import resend_events
from tasks.celery_app import app
from tasks.errors import RetryLater
from tasks.resend_events import Report, email_id_in, handler_of, moment_in, our_tag_in
from tasks.shelves import fill
from tasks.webhook_task import WebhookTask

RETRIES = 5


class MailNotKnownYet(RetryLater):
    """The report may have overtaken the commit of the mail's id; it is looked for again."""


@app.task(name="tasks.process_resend_webhook", base=WebhookTask, bind=True, max_retries=RETRIES)
def process_resend_webhook(self: WebhookTask, event_id: str) -> str:
    """Process one event; 5 retries after about 2, 4, 8, 16 and 32 s; returns ``processed`` or ``ignored``."""
    return self.process(event_id, _apply)


def _apply(session: Session, event: WebhookEvent) -> tuple[str, str | None]:
    handler = handler_of(event.event_type)
    if handler is None:
        return "ignored", f"no handler for {event.event_type}"
    body = json.loads(event.body)
    email_id = email_id_in(body)
    notification_id, has_tags = our_tag_in(body)
    mail = find_mail(session, provider_message_id=email_id, notification_id=notification_id)
    if mail is None:
        # Every mail of ours carries our tag; other senders may use the same account.
        if not has_tags and event.attempts <= RETRIES:
            raise MailNotKnownYet("no mail of ours has this id so far", delay=timedelta())
        return "ignored", "the mail is not one of ours, or was removed"
    at = moment_in(body, at_latest=event.received_at)
    handler(session, Report(event_id=event.id, email_id=email_id, mail=mail, at=at, data=body["data"]))
    return "processed", None


fill(resend_events)
