"""``tasks.send_email_batch``: another attempt at a frozen batch whose outcome is not known yet, or which had to wait."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.email_batches import EMAIL_BATCHES, EmailBatch, mails_of
from models.notification_sending import kinds_of
from models.notifications import NOTIFICATIONS
from models.work import Claim, WorkTable
from models.work_in_sets import Ending, finish_all
from tasks.celery_app import app
from tasks.envelope import Message
from tasks.mail.batch_attempt import BatchAttempt
from tasks.mail.sending import task_of
from tasks.recovery import Lane, register_lane
from tasks.work_task import WorkTask, summary_of

QUEUE = "batches"
LONGEST_STEP = 9  # 2^9 s: a batch of unknown outcome is asked for every nine to eleven minutes, until its key is forgotten


class BatchTask(WorkTask):
    """The row is a batch of ``email_batches``; what fails is never the batch but each of its mails."""

    abstract = True
    work_table: ClassVar[WorkTable] = EMAIL_BATCHES
    operation_type: ClassVar[str] = "batch"
    outlives_a_crash: ClassVar[bool] = True

    def delay_after(self, error: BaseException, attempt: int) -> timedelta:
        """The pause after this attempt; it stops growing, since a day of attempts is wanted."""
        return super().delay_after(error, min(attempt, LONGEST_STEP))

    def buried_with(self, session: Session, row_id: UUID, error: BaseException) -> list[tuple[WorkTask, UUID]]:
        """All mails of the batch: each is a failed operation of its own."""
        batch = session.execute(select(EmailBatch).where(EmailBatch.id == row_id)).scalar_one()
        mails = mails_of(session, row_id, batch.notification_ids)
        finish_all(NOTIFICATIONS, session, [Ending(mail, summary_of(error)) for mail in mails], "failed")
        kinds = kinds_of(session, [mail.id for mail in mails])
        return [(task_of(kinds[mail.id]), mail.id) for mail in mails]

    def needs_confirmation(self, error: BaseException) -> bool:  # noqa: ARG002 - whatever it died of
        """Always: the provider may have taken the batch, and its key cannot protect a single mail."""
        return True


@app.task(name="tasks.send_email_batch", base=BatchTask, bind=True, max_retries=1_000)
def send_email_batch(self: BatchTask, batch_id: str) -> str:
    """Send a frozen batch once more under its key; returns sent or dissolved."""
    return self.attempt(batch_id, _send)


def _send(claim: Claim) -> str:
    return BatchAttempt(claim).run()


def _messages(_session: Session, batch_ids: list[UUID]) -> list[Message]:
    return [Message(send_email_batch.name, (str(batch_id),), QUEUE) for batch_id in batch_ids]


def _task_of(_session: Session, _batch_id: UUID) -> WorkTask:
    task: WorkTask = send_email_batch
    return task


register_lane(Lane("batches", EMAIL_BATCHES, QUEUE, _messages, _task_of))
