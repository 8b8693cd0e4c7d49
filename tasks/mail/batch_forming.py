"""Putting the mails that wait longest into one batch, freezing its request, and making the first attempt at it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from models.connection import transaction
from models.email_batches import ClaimedMail, FrozenBatch, claim_mails, dissolve_batch, freeze_batch, leave_batch
from models.notifications import NOTIFICATIONS
from models.work import Claim
from models.work_in_sets import hand_over_all
from settings import get_settings
from tasks.errors import Deferred
from tasks.mail import mail_provider
from tasks.mail.batch_attempt import BatchAttempt
from tasks.mail.before_sending import Prepared, as_mail, end_unwanted, prepare
from tasks.mail.send_attempt import Failure
from tasks.mail.sending import message_for
from tasks.mail.settling import settle_mails
from tasks.publishing import publish_after_commit
from tasks.work_task import summary_of

log = structlog.get_logger()


def next_batch(*, which: str, size: int, holder: str) -> BatchAttempt | str | None:
    """The first attempt at a new batch; ``empty`` if none of the mails that were due may leave now; None if none were due."""
    with transaction() as session:
        claimed = claim_mails(session, which=which, limit=size, holder=holder, lease=_lease())
    if claimed is None:
        return None
    claim, mails = claimed
    try:
        with transaction() as session:
            found = prepare(session, [mail.row for mail in mails])
            frozen = _freeze(session, claim, mails, found)
    except DBAPIError:
        raise
    except Exception as error:  # noqa: BLE001 - a check or a mail that breaks it all has to be found alone
        _let_each_go_alone(claim, mails, error)
        return "empty"
    settle_mails(
        [(Failure(mail.claim, found.held[mail.row.id], 0), mail.row.notification_type) for mail in mails if mail.row.id in found.held]
    )
    return BatchAttempt(claim, frozen) if frozen.mails else "empty"


def _freeze(session: Session, batch: Claim, mails: Sequence[ClaimedMail], found: Prepared) -> FrozenBatch:
    """Let those go that do not leave now, and fix the request of the others."""
    claims = {mail.row.id: mail.claim for mail in mails}
    wait = [row_id for row_id, error in found.held.items() if isinstance(error, Deferred)]
    _let_go(session, batch, [claims[row_id] for row_id in wait], may_join_another=True)
    _let_go(session, batch, [claims[row_id] for row_id in found.held.keys() - wait], may_join_another=False)
    _let_go(session, batch, [claims[row_id] for row_id in found.unwanted], may_join_another=False)
    end_unwanted(session, claims.values(), found)
    ready = [claims[row.id] for row, _ in found.ready]
    if not ready:
        dissolve_batch(session, batch, note="none of its mails may leave now")
        return FrozenBatch(None, [], unknown_since=None, key_forgotten=False)
    body = mail_provider.encode_batch([as_mail(row, content) for row, content in found.ready])
    freeze_batch(session, batch, [claim.id for claim in ready], body)
    return FrozenBatch(body, ready, unknown_since=None, key_forgotten=False)


def _let_each_go_alone(batch: Claim, mails: Sequence[ClaimedMail], error: Exception) -> None:
    """Something breaks when these are looked at together; in a task of its own, each gets its own attempts and its own end."""
    log.warning("batch.broken_up", batch_id=str(batch.id), mails=len(mails), error=type(error).__name__)
    claims, why = [mail.claim for mail in mails], summary_of(error)
    with transaction() as session:
        dissolve_batch(session, batch, note=why)
        _let_go(session, batch, claims, may_join_another=False)
        hand_over_all(NOTIFICATIONS, session, claims, why=why)
        for mail in mails:
            publish_after_commit(session, message_for(mail.row.notification_type, mail.row.id))


def _let_go(session: Session, batch: Claim, mails: Sequence[Claim], *, may_join_another: bool) -> None:
    if mails:
        leave_batch(session, batch.id, mails, may_join_another=may_join_another, lease=_lease())


def _lease() -> timedelta:
    return timedelta(seconds=get_settings().lease_seconds)
