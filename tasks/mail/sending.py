"""The tasks that send emails: one for each kind, made from the shelf; ``tasks.send_purchase_email`` and its siblings."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from sqlalchemy.orm import Session

import tasks.emails.shelf  # noqa: F401 - a worker needs every kind
from models.notification_event_logs import LogLine, write_log
from models.notification_sending import kinds_of
from models.notifications import NOTIFICATIONS, load_notification
from models.schema import Json
from models.work import Claim, WorkTable
from tasks.celery_app import app
from tasks.emails import EmailKind, kind_names, kind_of, urgent_kinds
from tasks.emails.enqueueing import QUEUE
from tasks.envelope import Message
from tasks.mail.mail_provider import mails_wanted
from tasks.mail.send_attempt import SendAttempt
from tasks.recovery import Lane, register_lane
from tasks.work_task import WorkTask


class EmailTask(WorkTask):
    """The row is a promised email of ``notifications``."""

    abstract = True
    work_table: ClassVar[WorkTable] = NOTIFICATIONS
    operation_type: ClassVar[str] = "email"

    def describe(self, session: Session, row_id: UUID) -> Json:
        """The email as it was promised."""
        row = load_notification(session, row_id)
        return {
            "notification_type": row.notification_type,
            "recipient_email": row.recipient_email,
            "payload": row.payload,
            "dedupe_key": row.dedupe_key,
            "send_at": row.send_at and row.send_at.isoformat(),
            "subject": row.subject,
        }

    def finished_for_good(self, session: Session, row_id: UUID, *, error: str) -> None:
        write_log(session, LogLine(row_id, "dead", detail={"error": error}))


def make_task(name: str, *, retries: int, doc: str) -> EmailTask:
    """Register a task that sends one notification, whatever its kind; each kind has one under its own name."""

    def send(self: EmailTask, notification_id: str) -> str:
        return self.attempt(notification_id, _send)

    send.__doc__ = doc
    task: EmailTask = app.task(send, name=name, base=EmailTask, bind=True, max_retries=retries)
    return task


def make_kind_task(kind: EmailKind) -> EmailTask:
    """The task of this kind, with the kind's own number of retries."""
    doc = f"Send one email of the kind {kind.name}; up to {kind.retries} retries after about 2, 4, 8 s. Returns sent or suppressed."
    return make_task(kind.task_name, retries=kind.retries, doc=doc)


def _send(claim: Claim) -> str:
    return SendAttempt(claim).run()


def task_of(kind_name: str) -> EmailTask:
    """The task for a kind's name; one that fails with a clear sentence if SQL queued a kind that does not exist."""
    return _tasks.get(kind_name, _of_no_kind)


def message_for(kind_name: str, notification_id: UUID) -> Message:
    """The message that lets the kind's own task send this one."""
    return Message(task_of(kind_name).name, (str(notification_id),), QUEUE, kind_name in urgent_kinds())


def _messages(session: Session, notification_ids: list[UUID]) -> list[Message]:
    kinds = kinds_of(session, notification_ids)
    return [message_for(kinds[row_id], row_id) for row_id in notification_ids]


def _task_of(session: Session, notification_id: UUID) -> EmailTask:
    return task_of(kinds_of(session, [notification_id])[notification_id])


_tasks = {name: make_kind_task(kind_of(name)) for name in kind_names()}
_of_no_kind = make_task("tasks.send_email", retries=0, doc="Take a notification whose kind is not on the shelf to the dead letters.")
register_lane(Lane("emails", NOTIFICATIONS, QUEUE, _messages, _task_of, wanted=mails_wanted))
