"""The whole way back: the simulated Resend tells the real web process what became of a mail, and a real worker does what it means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg

from simulator.control import SimulatorClient
from tests.eventually import eventually
from tests.fixtures.processes import ProcfileProcessFactory
from tests.mailing import log_of, row_of

REPORTS = ("email.opened", "email.delivered", "email.sent", "email.delivery_delayed")


def test_doubled_and_disordered_reports_are_applied_once_and_bad_ends_have_their_consequences(
    promise: Callable[..., UUID],
    mail_server: SimulatorClient,
    procfile_process: ProcfileProcessFactory,
    admin: psycopg.Connection[dict[str, Any]],
) -> None:
    mail_server.script_resend(delivery={"duplicate_probability": 1, "disorder_ms": 300})
    procfile_process("web")
    worker = procfile_process("worker", {"RETRY_UNIT_SECONDS": "0.1"})
    notification_id = promise(to="ada@example.com")
    eventually(lambda: row_of(notification_id).status == "sent")
    email_id = str(row_of(notification_id).provider_message_id)
    for notice in REPORTS:
        mail_server.send_resend_event(email_id, notice)  # type: ignore[arg-type]

    def all_told() -> bool:
        events = Counter(line.event for line in log_of(notification_id) if line.actor == "resend")
        return events == {"opened": 1, "delivered": 1, "confirmed": 1, "delivery_delayed": 1}

    eventually(all_told, 20)
    eventually(lambda: [len(event.attempts) for event in mail_server.resend_events()] == [2] * len(REPORTS))
    assert all_told(), "a duplicate adds nothing"
    assert row_of(notification_id).delivery_status == "opened"

    failed_later = promise(to="grace@example.com")
    eventually(lambda: row_of(failed_later).status == "sent")
    mail_server.send_resend_event(str(row_of(failed_later).provider_message_id), "email.failed")
    eventually(lambda: row_of(failed_later).status == "failed")
    [operation] = admin.execute("SELECT reason, operation_id FROM failed_operations").fetchall()
    assert operation == {"reason": "failed_at_provider", "operation_id": failed_later}

    mail_server.send_resend_event(email_id, "email.complained")
    eventually(lambda: row_of(notification_id).delivery_status == "complained")
    later = promise(to="Ada@Example.com")
    eventually(lambda: row_of(later).status == "suppressed")
    assert len(mail_server.emails()) == 2
    assert "@example.com" not in worker.log, "no addresses in logs"
