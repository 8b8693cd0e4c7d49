"""What the tasks of all providers share: the work on one stored webhook event, and the lane in which the sweep looks after them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import ClassVar
from uuid import UUID

from sqlalchemy.orm import Session

from models.connection import transaction
from models.schema import Json
from models.webhook_events import WEBHOOK_EVENTS, WebhookEvent, load_event, providers_of
from models.work import Claim, WorkTable
from tasks.celery_app import app
from tasks.envelope import Message
from tasks.finishing import finish
from tasks.recovery import Lane, register_lane
from tasks.webhook_messages import QUEUE, TASK_OF_PROVIDER, message_for
from tasks.work_task import WorkTask

Meaning = Callable[[Session, WebhookEvent], tuple[str, str | None]]
"""Does what an event means; returns ``processed`` or ``ignored``, and a note."""


class WebhookTask(WorkTask):
    """The row is an event of ``webhook_events``."""

    abstract = True
    work_table: ClassVar[WorkTable] = WEBHOOK_EVENTS
    operation_type: ClassVar[str] = "webhook"

    def describe(self, session: Session, row_id: UUID) -> Json:
        """The event as the provider sent it."""
        event = load_event(session, row_id)
        return dict(json.loads(event.body))

    def process(self, event_id: str, meaning: Meaning) -> str:
        """Attempt one event: lock it, do what it means and mark it in one transaction."""

        def work(claim: Claim) -> str:
            with transaction() as session:
                WEBHOOK_EVENTS.hold(session, claim)
                status, note = meaning(session, load_event(session, claim.id))
                finish(session, WEBHOOK_EVENTS, claim, status, operation_type=self.operation_type, note=note)
            return status

        return self.attempt(event_id, work)


def _messages(session: Session, event_ids: list[UUID]) -> list[Message]:
    providers = providers_of(session, event_ids)
    return [message_for(providers[event_id], event_id) for event_id in event_ids]


def _task_of(session: Session, event_id: UUID) -> WorkTask:
    task: WorkTask = app.tasks[TASK_OF_PROVIDER[providers_of(session, [event_id])[event_id]]]
    return task


register_lane(Lane("webhooks", WEBHOOK_EVENTS, QUEUE, _messages, _task_of))
