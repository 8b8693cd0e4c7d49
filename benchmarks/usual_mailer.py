"""What most shops run, to compare with: one Celery task per mail, which renders it, calls the Resend SDK and saves the row by its ORM."""

from __future__ import annotations

import os
from uuid import UUID

import resend
from celery import Celery
from sqlalchemy.orm import Session

import models.users  # noqa: F401 - the table that notifications refer to
import tasks.emails.shelf  # noqa: F401 - the same mails as ours
from models.connection import engine
from models.notifications import Notification
from settings import get_settings
from tasks.emails import kind_of
from tasks.emails.rendering import render
from tasks.mail.resend_client import PooledClient

app = Celery("usual", broker=get_settings().redis_url)
app.conf.update(task_ignore_result=True, task_acks_late=True, worker_prefetch_multiplier=int(os.environ.get("PREFETCH", "4")))
resend.api_key, resend.api_url = "re_usual", get_settings().resend_api_url
if os.environ.get("POOLED"):
    resend.default_http_client = PooledClient()


@app.task(name="usual.send")
def send(notification_id: str) -> None:
    settings = get_settings()
    with Session(engine()) as session:
        row = session.get_one(Notification, UUID(notification_id))
        kind = kind_of(row.notification_type)
        mail = render(kind, kind.parameters.read(kind.name, row.payload, strict=False), settings)
        answer = resend.Emails.send(
            {
                "from": settings.email_from,
                "to": [row.recipient_email],
                "subject": mail.subject,
                "html": mail.html,
                "text": mail.text,
                "headers": {"X-Entity-Ref-ID": str(row.id)},
            },
            {"idempotency_key": f"usual/{row.id}"},
        )
        row.status, row.provider_message_id = "sent", answer["id"]
        session.commit()
