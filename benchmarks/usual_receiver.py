"""What most shops run, to compare with: Flask, the Stripe SDK's verification, one ORM insert, one ``delay()`` in the request."""

from __future__ import annotations

from uuid import UUID

import stripe
from flask import Flask, Response, request
from sqlalchemy.orm import Session

from models.connection import engine
from models.webhook_events import WebhookEvent
from settings import get_settings, secrets_in
from tasks import app as celery_app

app = Flask(__name__)
SECRET = secrets_in(get_settings().stripe_webhook_secret)[0]


@app.post("/webhooks/stripe")
def receive() -> Response:
    event = stripe.Webhook.construct_event(request.get_data(), request.headers["Stripe-Signature"], SECRET)
    with Session(engine()) as session:
        row = WebhookEvent(provider="stripe", provider_event_id=event.id, event_type=event.type, body=request.get_data())
        session.add(row)
        session.commit()
        row_id: UUID = row.id
    celery_app.send_task("tasks.process_stripe_webhook", args=[str(row_id)], queue="webhooks")
    return Response('{"received": true}', mimetype="application/json")
