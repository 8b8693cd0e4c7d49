"""Many mails one by one, but at the same time: claimed, prepared and written down in sets, each handed over by a thread of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import cache
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError

from models.connection import transaction
from models.notification_sending import Content, Sendable, Taken, finish_sent, freeze, kinds_of, read_for_sending
from models.notifications import NOTIFICATIONS
from models.work import Claim
from models.work_in_sets import claim_overdue, hand_over_all
from settings import get_settings
from tasks.errors import Deferred
from tasks.finishing import resolve_all
from tasks.mail.before_sending import Prepared, end_unwanted, prepare
from tasks.mail.send_attempt import Failure, hand_over
from tasks.mail.sending import message_for
from tasks.mail.settling import settle_mails
from tasks.publishing import publish_after_commit
from tasks.work_task import summary_of

log = structlog.get_logger()

SENDERS = 64  # threads of one process; each keeps its own connection to the provider


class SendChunk:
    """One attempt at each of some mails."""

    def __init__(self, claims: Iterable[Claim]) -> None:
        self._claims = {claim.id: claim for claim in claims}
        self._kinds: dict[UUID, str] = {}
        self._started = time.monotonic()

    def run(self) -> Deferred | None:
        """Writes down what became of each; returns what holds back all others too, if the provider takes nothing now."""
        try:
            found, ready = self._prepare()
        except DBAPIError:
            raise
        except Exception as error:  # noqa: BLE001 - a check or a mail that breaks it all has to be found alone
            self._let_each_go_alone(error)
            return None
        outcomes = list(_senders(os.getpid()).map(self._hand_over, ready))
        taken = [outcome for outcome in outcomes if isinstance(outcome, Taken)]
        failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
        self._write_down(taken)
        held = [Failure(self._claims[row_id], error, self._duration_ms()) for row_id, error in found.held.items()]
        settle_mails([(failure, self._kinds[failure.claim.id]) for failure in [*failures, *held]])
        log.info("emails.attempted", mails=len(self._claims), sent=len(taken), duration_ms=self._duration_ms())
        return next((failure.error for failure in failures if isinstance(failure.error, Deferred)), None)

    def _prepare(self) -> tuple[Prepared, list[tuple[Sendable, Content]]]:
        with transaction() as session:
            rows = read_for_sending(session, list(self._claims.values()))
            self._kinds = {row.id: row.notification_type for row in rows}
            found = prepare(session, rows)
            end_unwanted(session, self._claims.values(), found)
            still_ours = freeze(session, {self._claims[row.id]: content for row, content in found.ready})
        return found, [(row, content) for row, content in found.ready if row.id in still_ours]

    def _hand_over(self, mail: tuple[Sendable, Content]) -> Taken | Failure:
        return hand_over(self._claims[mail[0].id], *mail, clock=time.monotonic, started=time.monotonic())

    def _write_down(self, taken: list[Taken]) -> None:
        with transaction() as session:
            finish_sent(session, taken)
            resolve_all(session, [mail.claim for mail in taken], operation_type="email")

    def _let_each_go_alone(self, error: Exception) -> None:
        """In a task of its own, each gets its own attempts and its own end."""
        log.warning("chunk.broken_up", mails=len(self._claims), error=type(error).__name__)
        with transaction() as session:
            held = hand_over_all(NOTIFICATIONS, session, list(self._claims.values()), why=summary_of(error))
            for notification_id, kind in kinds_of(session, list(held)).items():
                publish_after_commit(session, message_for(kind, notification_id))

    def _duration_ms(self) -> int:
        return round((time.monotonic() - self._started) * 1000)


def next_chunk(*, which: str, size: int, holder: str) -> SendChunk | None:
    """An attempt at the mails that wait longest; None if none are due."""
    lease = timedelta(seconds=get_settings().lease_seconds)
    with transaction() as session:
        claims = claim_overdue(NOTIFICATIONS, session, which=which, limit=size, holder=holder, lease=lease)
    return SendChunk(claims) if claims else None


@cache
def _senders(_pid: int) -> ThreadPoolExecutor:
    """The threads of this process; a forked child needs its own."""
    return ThreadPoolExecutor(SENDERS, thread_name_prefix="sender")
