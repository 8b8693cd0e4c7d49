"""Batches of mails for tests: queued by SQL, swept, and worked off in the test's own process as a worker would, step by step."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select, text

from models.connection import transaction
from models.email_batches import EMAIL_BATCHES, JOINS_A_BATCH, EmailBatch, claim_mails, idempotency_key_of_batch
from models.failed_operations import FailedOperation
from models.notifications import Notification
from simulator.control import SimulatorClient
from tasks.celery_app import app
from tasks.errors import RedriveError
from tasks.mail import mail_provider
from tasks.mail.batch_attempt import BatchAttempt
from tasks.mail.batch_forming import next_batch
from tasks.mail.draining import Drain
from tasks.mail.provider_circuit import OPEN
from tasks.mail.provider_gate import PAUSE
from tasks.publishing import redis_client
from tasks.recovery import publish_waiting_work
from tests.mailing import row_of

QUEUES = ("batches", "emails")
HERS = "lease_expires_at < now() + interval '1 hour'"  # a mail in a batch is held for longer than its worker lives
QUEUE_ALL = text(
    """
    SELECT queue_notification(p_type := :kind, p_recipient_email := coalesce(:to, n || '@example.com'),
        p_payload := CAST(:payload AS jsonb), p_dedupe_key := :label || '/' || n, p_send_at := now() - make_interval(secs => :count - n))
    FROM generate_series(0, :count - 1) AS n
    """
)


def queue(count: int, kind: str = "welcome", payload: dict[str, Any] | None = None, *, to: str | None = None) -> list[UUID]:
    """So many mails that wait, the first one longest; each to an address of its own unless ``to`` is given."""
    values = {"count": count, "kind": kind, "payload": json.dumps(payload or {}), "to": to, "label": str(uuid4())}
    with transaction() as session:
        return list(session.execute(QUEUE_ALL, values).scalars())


def drain(place: int = 0) -> bool:
    """One run of the drain in this process; True if it would go on."""
    return Drain(place, holder="test").run()


def form(size: int = 100) -> BatchAttempt:
    """The first attempt at a new batch, frozen and not yet begun: where a worker may die."""
    attempt = next_batch(which=JOINS_A_BATCH, size=size, holder="test")
    assert isinstance(attempt, BatchAttempt)
    return attempt


def dies_before_the_freeze(size: int = 4) -> None:
    """A worker that claimed mails and was killed before it had made their batch."""
    with transaction() as session:
        claim_mails(session, which=JOINS_A_BATCH, limit=size, holder="the dead", lease=timedelta(seconds=30))


def dies_before_the_call(size: int = 4) -> None:
    """One that had frozen the batch and not begun to send it."""
    next_batch(which=JOINS_A_BATCH, size=size, holder="the dead")


def dies_after_the_call(size: int = 4) -> None:
    """The provider took the batch, and nobody wrote it down."""
    attempt = next_batch(which=JOINS_A_BATCH, size=size, holder="the dead")
    batch = attempt._frozen if isinstance(attempt, BatchAttempt) else None
    if isinstance(attempt, BatchAttempt) and batch and batch.body:
        with suppress(RedriveError):
            mail_provider.send_batch(batch.body, len(batch.mails), idempotency_key=idempotency_key_of_batch(attempt.claim.id))


def attempt_again(batch_id: UUID) -> BatchAttempt:
    """The next attempt, as another worker claims it."""
    with transaction() as session:
        claim = EMAIL_BATCHES.claim(session, batch_id, holder="another", lease=timedelta(seconds=30))
    assert claim is not None
    return BatchAttempt(claim)


def sweep_and_work() -> None:
    """What the next sweep publishes is done, and what is published by that."""
    app.loader.import_default_modules()
    publish_waiting_work()
    client = redis_client(timeout_seconds=2)
    while any(messages := [client.rpop(name) for name in QUEUES]):
        for message in filter(None, messages):
            content = json.loads(message)  # type: ignore[arg-type]
            app.tasks[content["headers"]["task"]].apply(json.loads(base64.b64decode(content["body"]))[0])


def time_passes(*, leases_too: bool = False) -> None:
    """Whatever waits is due, and the provider may be asked again; with ``leases_too`` whoever held something is dead."""
    redis_client(timeout_seconds=2).delete(PAUSE, OPEN)
    with transaction() as session:
        for table in ("notifications", "email_batches"):
            session.execute(text(f"UPDATE {table} SET next_attempt_at = now(), sweep_at = now() WHERE status = 'pending'"))
            if leases_too:
                session.execute(text(f"UPDATE {table} SET lease_expires_at = now(), sweep_at = now() WHERE status = 'running' AND {HERS}"))


def finish_everything(rounds: int = 12, *, leases_too: bool = False) -> None:
    """Go on as beat and the workers do, however long it takes, until nothing is left."""
    for _ in range(rounds):
        if not states().keys() & {"pending", "running"}:
            return
        time_passes(leases_too=leases_too)
        drain()
        sweep_and_work()
    left = [(row.status, row.last_error) for row in every_row() if row.finished_at is None]
    raise AssertionError(f"after {rounds} rounds mails are left: {left}")


def batches() -> list[EmailBatch]:
    """All batches, the oldest first."""
    with transaction() as session:
        return list(session.scalars(select(EmailBatch).order_by(EmailBatch.created_at)))


def only_batch() -> EmailBatch:
    [batch] = batches()
    return batch


def states() -> Counter[str]:
    """How many notifications there are in each status."""
    with transaction() as session:
        return Counter(session.scalars(select(Notification.status)))


def every_row() -> list[Notification]:
    with transaction() as session:
        return list(session.scalars(select(Notification)))


def rows_of(ids: Iterable[UUID]) -> list[Notification]:
    return [row_of(notification_id) for notification_id in ids]


def failure_of(notification_id: UUID) -> FailedOperation:
    with transaction() as session:
        return session.execute(select(FailedOperation).where(FailedOperation.operation_id == notification_id)).scalar_one()


def check_sent_once(provider: SimulatorClient, ids: Sequence[UUID]) -> None:
    """The provider took each of these mails once and nothing else, and each row says so with the provider's own id."""
    taken = {mail.dedupe: mail.id for mail in provider.emails()}
    assert (provider.summary().accepted, len(taken)) == (len(ids), len(ids))
    rows = rows_of(ids)
    assert {(row.status, row.outcome_unknown_at) for row in rows} == {("sent", None)}
    assert {str(row.id): row.provider_message_id for row in rows} == taken


def batch_calls(provider: SimulatorClient) -> list[dict[str, Any]]:
    """The requests for batches that the provider saw, the oldest first."""
    return [call for call in provider.requests()["requests"] if call["path"] == "/emails/batch"]
