"""What Resend reports about a mail that it took: applied in any order, once, to the right notification."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from models.connection import connect_directly, transaction
from models.delivery_reports import FURTHER
from models.failed_operations import FailedOperation
from models.notifications import NOTIFICATIONS
from models.suppressions import is_suppressed, lift, suppressions
from models.webhook_events import load_event
from models.webhook_inbox import IncomingEvent, store_events
from tasks.resend_events import MalformedReport
from tasks.resend_events.email_failed import NotCommittedYet
from tasks.resend_webhooks import MailNotKnownYet, _apply
from tests.mailing import attempt, claim, log_of, row_of

Promise = Callable[..., UUID]
Row = dict[str, Any]
EVENT_OF: dict[str, str] = {name: f"email.{name}" for name in FURTHER if name != "soft_bounced"}
TRANSIENT = {"bounce": {"type": "Transient", "subType": "General", "diagnosticCode": "smtp; 452 <ada@example.com> is full"}}
PERMANENT = {"bounce": {"type": "Permanent", "subType": "General", "diagnosticCode": ["smtp; 550 5.1.1 <ada@example.com> unknown"]}}
_numbers = count(1)


@pytest.fixture
def sent(promise: Promise) -> UUID:
    """A mail to ada@example.com that the provider took."""
    notification_id = promise()
    assert attempt(notification_id) == "sent"
    return notification_id


def report(
    notification_id: UUID | None,
    kind: str,
    *,
    email_id: str | None = None,
    tagged: bool = True,
    at: datetime | None = None,
    attempts: int = 1,
    data: Row | None = None,
) -> tuple[str, str | None]:
    """Store one event as the receiver does, and do what it means."""
    known = email_id or (notification_id and row_of(notification_id).provider_message_id) or str(uuid4())
    tags = {"tags": {"notification_id": str(notification_id), "kind": "welcome"}} if tagged else {}
    moment = (at or datetime.now(UTC)).isoformat().replace("+00:00", "Z")
    told = {"email_id": known, "to": ["ada@example.com"], **tags, **(PERMANENT if kind == "email.bounced" else {}), **(data or {})}
    body = {"type": kind, "created_at": moment, "data": told}
    return apply(json.dumps(body).encode(), attempts=attempts)


def apply(body: bytes, *, attempts: int = 1) -> tuple[str, str | None]:
    event = IncomingEvent.from_resend(body, event_id=f"msg_{next(_numbers)}_{uuid4()}", headers={}, verified_by="test")
    with connect_directly() as connection:
        [stored] = store_events(connection, [event], grace_seconds=0)
        connection.execute("UPDATE webhook_events SET attempts = %s WHERE id = %s", (attempts, stored.id))
    with transaction() as session:
        return _apply(session, load_event(session, stored.id))


def suppressed_now() -> bool:
    with transaction() as session:
        return is_suppressed(session, "Ada@Example.com ")


def failures() -> Sequence[FailedOperation]:
    with transaction() as session:
        return session.scalars(select(FailedOperation)).all()


@pytest.mark.parametrize(("status", "kind"), EVENT_OF.items())
def test_each_report_is_a_status_and_a_line_of_the_log(sent: UUID, status: str, kind: str) -> None:
    assert report(sent, kind) == ("processed", None)
    row, log = row_of(sent), {line.event: line for line in log_of(sent)}
    assert row.delivery_status == status
    told = log["confirmed" if status == "sent" else status]
    assert (told.occurred_at, told.actor) == (row.delivery_status_at, "resend")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.lists(st.sampled_from([str(name) for name in FURTHER if name != "failed"]), min_size=1, max_size=8))
def test_the_status_is_the_furthest_report_whatever_the_order(sent: UUID, order: list[str]) -> None:
    with transaction() as session:
        session.execute(text("UPDATE notifications SET delivery_status = NULL, delivery_status_at = NULL"))
    before = len(log_of(sent))
    for name in order:
        report(sent, EVENT_OF.get(name, "email.bounced"), data=TRANSIENT if name == "soft_bounced" else None)
    assert row_of(sent).delivery_status == max(order, key=list[str](FURTHER).index)
    assert len(log_of(sent)) == before + len(order), "every report is told, also one that came late"


def test_the_bounce_is_told_without_the_address(sent: UUID) -> None:
    report(sent, "email.bounced")
    told = log_of(sent)[-1].detail
    assert told == {"type": "Permanent", "sub_type": "General", "diagnosis": "smtp; 550 5.1.1 <(address)> unknown"}


@pytest.mark.parametrize("kind", ["email.bounced", "email.complained", "email.suppressed"])
def test_a_permanent_bounce_a_complaint_and_a_suppression_stop_later_mails(sent: UUID, promise: Promise, kind: str) -> None:
    report(sent, kind)
    later = promise(to="ADA@example.com")
    assert attempt(later) == "suppressed"
    assert (row_of(later).status, log_of(later)[-1].event) == ("suppressed", "suppressed")


def test_a_transient_bounce_and_an_undetermined_one_do_not(sent: UUID) -> None:
    report(sent, "email.bounced", data=TRANSIENT)
    report(sent, "email.bounced", data={"bounce": {"type": "Undetermined"}})
    report(sent, "email.bounced", data={"bounce": None})
    assert not suppressed_now()
    assert row_of(sent).delivery_status == "soft_bounced"


def test_an_operators_override_outlasts_old_reports_and_not_new_ones(sent: UUID) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    report(sent, "email.bounced", at=before)
    with transaction() as session:
        assert lift(session, "Ada@example.com", by="cli:test")
        assert not lift(session, "ada@example.com", by="cli:test")
    assert not suppressed_now()
    report(sent, "email.complained", at=before)
    assert not suppressed_now()
    report(sent, "email.complained")
    assert suppressed_now()
    with transaction() as session:
        [row] = suppressions(session, limit=10)
    assert (row.reason, row.lifted_by) == ("complained", None)


def test_a_mail_that_failed_after_it_was_taken_is_a_failed_operation_and_redriving_it_sends_another(sent: UUID, mail_server: Any) -> None:
    assert report(sent, "email.failed", data={"failed": {"reason": "reached_daily_quota"}})[0] == "processed"
    row, [failure] = row_of(sent), failures()
    assert (row.status, row.delivery_status) == ("failed", "failed")
    assert (failure.operation_type, failure.operation_id, failure.reason) == ("email", sent, "failed_at_provider")
    assert "reached_daily_quota" in failure.error_message
    with transaction() as session:
        assert NOTIFICATIONS.redrive(session, sent)
    assert attempt(sent) == "sent"
    first, second = mail_server.emails()
    again = row_of(sent)
    assert (again.status, again.provider_message_id, again.delivery_status) == ("sent", second.id, None)
    assert failures()[0].resolved_at is not None
    report(sent, "email.delivered")
    report(sent, "email.bounced", email_id=first.id)
    assert row_of(sent).delivery_status == "delivered", "a report about the first mail says nothing about the second"
    assert log_of(sent)[-1].detail["earlier_mail"] == first.id


def test_a_report_that_overtakes_our_commit_is_applied_by_its_tag(promise: Promise) -> None:
    notification_id = promise()
    held = claim(notification_id)
    assert report(notification_id, "email.delivered", email_id="re_early") == ("processed", None)
    row = row_of(notification_id)
    assert (row.status, row.delivery_status, row.provider_message_id, row.lease_token) == ("running", "delivered", "re_early", held.token)


def test_a_failure_that_overtakes_our_commit_waits_for_it(promise: Promise) -> None:
    notification_id = promise()
    claim(notification_id)
    with pytest.raises(NotCommittedYet):
        report(notification_id, "email.failed", email_id="re_early")
    assert row_of(notification_id).delivery_status is None


def test_without_a_tag_the_mail_is_looked_for_again_and_then_ignored(sent: UUID) -> None:
    with pytest.raises(MailNotKnownYet):
        report(None, "email.delivered", tagged=False, attempts=5)
    assert report(None, "email.delivered", tagged=False, attempts=6)[0] == "ignored"
    assert report(sent, "email.delivered", tagged=False) == ("processed", None)


def test_mails_of_other_senders_on_the_same_account_are_ignored_at_once(sent: UUID) -> None:
    assert report(None, "email.delivered", data={"tags": {"campaign": "spring"}})[0] == "ignored"
    assert report(None, "email.delivered", data={"tags": [{"name": "notification_id", "value": str(uuid4())}]})[0] == "ignored"
    assert report(None, "contact.created")[0] == "ignored"


@pytest.mark.parametrize("data", [{}, {"email_id": 7}, {"email_id": ""}, {"email_id": "\0"}, {"email_id": None, "tags": []}])
def test_a_report_about_no_mail_goes_to_a_person(sent: UUID, data: Row) -> None:
    with pytest.raises(MalformedReport):
        apply(json.dumps({"type": "email.delivered", "data": data}).encode())


@pytest.mark.parametrize("moment", ["yesterday", "", None, "9999-01-01T00:00:00Z", "2026-01-01 00:00:00"])
def test_a_time_that_cannot_be_or_is_to_come_is_replaced_by_the_time_of_receipt(sent: UUID, moment: str | None) -> None:
    body = {"type": "email.delivered", "created_at": moment, "data": {"email_id": row_of(sent).provider_message_id}}
    assert apply(json.dumps(body).encode())[0] == "processed"
    assert log_of(sent)[0].occurred_at <= datetime.now(UTC)
    assert row_of(sent).delivery_status == "delivered"
