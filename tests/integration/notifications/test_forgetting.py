"""Forgetting one person: the address is nowhere in the database afterwards, except in work that cannot be done without it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from models.connection import transaction
from models.personal_data import EVENTS_AT_ONCE
from models.suppressions import is_suppressed
from tasks.forgetting import forget_person
from tests.mailing import attempt, claim, row_of

ADA, GRACE = "Ada.L+shop@example.com", "grace@example.com"
Admin = psycopg.Connection[dict[str, Any]]


def event_about(admin: Admin, email: str, *, finished: bool = True) -> None:
    body = json.dumps({"data": {"object": {"customer_details": {"email": email}}}}).encode()
    status = "processed" if finished else "pending"
    admin.execute(
        "INSERT INTO webhook_events (provider, provider_event_id, event_type, body, status, finished_at)"
        " VALUES ('stripe', %s, 'x', %s, %s, CASE WHEN %s THEN now() END)",
        (str(uuid4()), body, status, finished),
    )


def everything(admin: Admin) -> str:
    """The whole database as text; bodies are read as what they are."""
    tables = admin.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'")
    rows = [row for table in tables.fetchall() for row in admin.execute(f"SELECT * FROM {table['table_name']}".encode()).fetchall()]
    return " ".join(str(value) for row in rows for value in row.values()).lower()


def fill(admin: Admin, promise: Callable[..., UUID], email: str) -> None:
    """A person with everything that one can have."""
    user = admin.execute("INSERT INTO users (email, name) VALUES (%s, 'Somebody') RETURNING id", (email,)).fetchone()
    assert user is not None
    with_user = {"user_id": user["id"]}
    sent = promise(to=email, payload={"name": email}, dedupe_key=f"welcome/{email}", **with_user)
    attempt(sent)
    admin.execute(
        "WITH batch AS (INSERT INTO email_batches (notification_ids, body, status, finished_at)"
        " VALUES (ARRAY[%s]::uuid[], convert_to(%s, 'UTF8'), 'sent', now()) RETURNING id)"
        " UPDATE notifications SET batch_id = batch.id FROM batch WHERE notifications.id = %s",
        (sent, email, sent),
    )
    promise(to=email.upper(), **with_user)
    failed = promise(to=email, dedupe_key=f"failed/{email}")
    admin.execute("UPDATE notifications SET status = 'failed', finished_at = now() WHERE id = %s", (failed,))
    admin.execute(
        "INSERT INTO failed_operations (operation_type, operation_id, operation_name, reason, event_data, error_type, error_message)"
        " VALUES ('email', %s, 'tasks.x', 'permanent', jsonb_build_object('to', %s::text), 'E', %s)",
        (failed, email, f"{email} is bad"),
    )
    event_about(admin, email)
    admin.execute(
        "INSERT INTO purchases (kind, status, buyer_email, buyer_name, user_id, currency, amount_cents, completed_at)"
        " VALUES ('products', 'completed', %s, 'Somebody', %s, 'usd', 100, now())",
        (email, user["id"]),
    )
    admin.execute("INSERT INTO meetings (user_id, title, scheduled_at) VALUES (%s, %s, now())", (user["id"], f"With {email}"))
    admin.execute(
        "INSERT INTO dated_entities (entity_type, user_id, title, scheduled_at) VALUES ('WORKOUT', %s, %s, now())", (user["id"], email)
    )
    admin.execute("INSERT INTO suppressions (email, reason) VALUES (lower(%s), 'complained')", (email,))
    admin.execute(
        "INSERT INTO leads (title, price_cents, currency, details) VALUES ('Lead', 1, 'usd', jsonb_build_object('contact', %s::text))",
        (email,),
    )


def test_the_address_is_nowhere_afterwards_and_nobody_elses_data_is_touched(admin: Admin, promise: Callable[..., UUID]) -> None:
    fill(admin, promise, GRACE)
    before = everything(admin)
    fill(admin, promise, ADA)
    done = forget_person(f" {ADA.lower()} ", actor="cli:test")
    after = everything(admin)
    assert "ada.l" not in after
    assert "somebody" in after, "Grace keeps her name"
    assert after.count(GRACE) == before.count(GRACE)
    assert sum(done.kept.values()) == 0
    assert done.changed["notifications"] == 3
    assert done.changed["cancelled notifications"] == 1
    assert done.changed["webhook_events"] == 1
    assert done.changed["purchases"] == 1


def test_the_audit_log_says_that_it_was_done_and_not_for_whom(admin: Admin, promise: Callable[..., UUID]) -> None:
    attempt(promise(to=ADA))
    forget_person(ADA, actor="cli:test")
    [entry] = admin.execute("SELECT * FROM audit_log").fetchall()
    assert (entry["actor"], entry["action"], entry["subject_id"]) == ("cli:test", "person.forgotten", None)
    assert entry["detail"]["changed"]["notifications"] == 1
    assert "ada" not in str(entry)


def test_mail_to_a_suppressed_person_is_still_not_sent(admin: Admin, promise: Callable[..., UUID]) -> None:
    for _ in range(2):
        admin.execute("INSERT INTO suppressions (email, reason) VALUES (lower(%s), 'complained')", (ADA,))
        forget_person(ADA, actor="cli:test")
    with transaction() as session:
        assert is_suppressed(session, ADA)
    later = promise(to=ADA)
    assert attempt(later) == "suppressed"


def test_what_is_under_way_is_kept_counted_and_forgotten_when_it_is_over(admin: Admin, promise: Callable[..., UUID]) -> None:
    leaving = promise(to=ADA)
    claim(leaving)
    event_about(admin, ADA, finished=False)
    admin.execute("INSERT INTO purchases (kind, buyer_email, currency, amount_cents) VALUES ('products', %s, 'usd', 100)", (ADA,))
    kept = forget_person(ADA, actor="cli:test").kept
    assert +kept == {
        "emails that are being sent at this moment": 1,
        "purchases that are not paid yet": 1,
        "webhook events that are not finished": 1,
    }
    assert row_of(leaving).recipient_email == ADA
    admin.execute("UPDATE notifications SET status = 'sent', finished_at = now()")
    admin.execute("UPDATE webhook_events SET status = 'processed', finished_at = now()")
    admin.execute("UPDATE purchases SET status = 'cancelled', cancelled_at = now()")
    assert sum(forget_person(ADA, actor="cli:test").kept.values()) == 0
    assert "ada.l" not in everything(admin)


def test_events_are_searched_page_by_page(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    assert EVENTS_AT_ONCE > 100
    monkeypatch.setattr("models.personal_data.EVENTS_AT_ONCE", 3)
    for number in range(10):
        event_about(admin, ADA if number % 3 else GRACE)
    assert forget_person(ADA, actor="cli:test").changed["webhook_events"] == 6


def test_an_address_is_found_in_an_event_that_writes_its_letters_as_numbers(admin: Admin) -> None:
    address = "jörg@example.com"
    event_about(admin, address)
    assert "\\u00f6" in everything(admin)

    forget_person(address, actor="cli:alice")

    assert "\\u00f6" not in everything(admin)
