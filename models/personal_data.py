"""Forgetting one person: everything that names an address, in every table, on request.

What is finished loses its personal data, what waits is cancelled, and what money or another person's order hangs on keeps its row
without the name. Work that is under way or waits for an operator cannot be done without its data: it is counted as kept, and the
same request finds it when it is over.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from models.retention import TABLES

EVENTS_AT_ONCE = 2_000

# ``:users`` are the ids of the users with this address. The order matters: what names a person is needed to find what belongs to him.
STEPS = (
    (
        "cancelled notifications",
        """
        WITH changed AS (
            UPDATE notifications SET status = 'cancelled', finished_at = now(), lease_token = lease_token + 1
            WHERE status = 'pending' AND {theirs} RETURNING id)
        INSERT INTO notification_event_logs (notification_id, event, actor) SELECT id, 'cancelled', :actor FROM changed
        """,
    ),
    (
        "resolved failures",
        """
        UPDATE failed_operations SET resolved_at = now(), resolved_by = :actor
        WHERE operation_type = 'email' AND resolved_at IS NULL AND operation_id IN (SELECT id FROM notifications WHERE {theirs})
        """,
    ),
    (
        "email_batches",
        """
        UPDATE email_batches SET {erase email_batches}, erased_at = now()
        WHERE finished_at IS NOT NULL AND erased_at IS NULL AND id IN (SELECT batch_id FROM notifications WHERE {theirs})
        """,
    ),
    (
        "notifications",
        """
        UPDATE notifications SET {erase notifications}, erased_at = now(),
            dedupe_key = CASE WHEN strpos(lower(dedupe_key), lower(:email)) > 0 THEN 'forgotten/' || id ELSE dedupe_key END
        WHERE finished_at IS NOT NULL AND {theirs}
        """,
    ),
    (
        "failed_operations",
        """
        UPDATE failed_operations SET {erase failed_operations}, erased_at = now()
        WHERE resolved_at IS NOT NULL AND erased_at IS NULL
          AND strpos(lower(event_data::text || error_message || coalesce(error_stack, '')), lower(:email)) > 0
        """,
    ),
    (
        "purchases",
        """
        UPDATE purchases SET buyer_email = {nobody}, buyer_name = NULL, idempotency_key = NULL, request_fingerprint = NULL
        WHERE status IN ('completed', 'cancelled') AND lower(buyer_email) = lower(:email)
        """,
    ),
    ("meetings", "UPDATE meetings SET title = 'Forgotten', join_url = NULL, {called off} WHERE user_id = ANY (:users)"),
    ("dated_entities", "UPDATE dated_entities SET title = 'Forgotten', link_url = NULL, {called off} WHERE user_id = ANY (:users)"),
    (
        "leads",
        """
        UPDATE leads SET details = '{}', summary = NULL WHERE strpos(lower(details::text || coalesce(summary, '')), lower(:email)) > 0
        """,
    ),
    (
        "suppressions",  # nothing may be sent to this address all the same, so a hash of it stays
        """
        INSERT INTO suppressions (email, reason, webhook_event_id, created_at, lifted_at, lifted_by)
        SELECT (suppression_keys(email))[2], reason, webhook_event_id, created_at, lifted_at, lifted_by
        FROM suppressions WHERE email = lower(:email)
        ON CONFLICT (email) DO UPDATE SET lifted_at = excluded.lifted_at, lifted_by = excluded.lifted_by
        """,
    ),
    ("suppressions", "DELETE FROM suppressions WHERE email = lower(:email)"),
    ("users", "UPDATE users SET email = {nobody}, name = NULL, time_zone = 'UTC' WHERE id = ANY (:users)"),
)

KEPT = (
    ("emails that are being sent at this moment", "SELECT count(*) FROM notifications WHERE status = 'running' AND {theirs}"),
    (
        "purchases that are not paid yet",
        "SELECT count(*) FROM purchases WHERE status NOT IN ('completed', 'cancelled') AND lower(buyer_email) = lower(:email)",
    ),
    (
        "failed operations that wait for an operator",
        """
        SELECT count(*) FROM failed_operations
        WHERE resolved_at IS NULL AND strpos(lower(event_data::text || error_message), lower(:email)) > 0
        """,
    ),
)

EVENTS = """
    WITH page AS (
        SELECT id, received_at, body, erased_at FROM webhook_events
        WHERE (received_at, id) > (:received_at, :id) ORDER BY received_at, id LIMIT :limit
    ), theirs AS (
        SELECT id FROM page
        WHERE erased_at IS NULL AND (
            strpos(lower(encode(body, 'escape')), lower(encode(convert_to(:email, 'UTF8'), 'escape'))) > 0
            OR strpos(lower(encode(body, 'escape')), lower(encode(convert_to(:escaped, 'UTF8'), 'escape'))) > 0)
    ), changed AS (
        UPDATE webhook_events t SET {erase webhook_events}, erased_at = now()
        FROM theirs WHERE t.id = theirs.id AND t.finished_at IS NOT NULL {unless webhook_events} RETURNING t.id
    )
    SELECT received_at, id, (SELECT count(*) FROM changed) AS changed,
        (SELECT count(*) FROM theirs) - (SELECT count(*) FROM changed) AS kept
    FROM page ORDER BY received_at DESC, id DESC LIMIT 1
"""

PARTS = {
    "{theirs}": "(lower(recipient_email) = lower(:email) OR user_id = ANY (:users))",
    "{nobody}": "'forgotten-' || id || '@redrive.invalid'",
    "{called off}": "status = CASE status WHEN 'scheduled' THEN 'cancelled' ELSE status END",
    **{f"{{erase {kept.table}}}": kept.erase for kept in TABLES},
    **{f"{{unless {kept.table}}}": kept.unless for kept in TABLES},
}


class Place(NamedTuple):
    """How far the search through the webhook events has come."""

    received_at: datetime = datetime.min.replace(tzinfo=UTC)
    id: UUID = UUID(int=0)


@dataclass
class Forgotten:
    """How many rows were changed, by table, and how many could not be, by reason."""

    changed: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)


def forget_in_tables(session: Session, email: str, *, actor: str) -> Forgotten:
    """Everything but webhook events."""
    users = session.execute(text("SELECT id FROM users WHERE lower(email) = lower(:email) FOR UPDATE"), {"email": email})
    values = {"email": email, "users": list(users.scalars()), "actor": actor}
    done = Forgotten()
    for name, sql in STEPS:
        result: Any = session.execute(_statement(sql), values)
        done.changed[name] += result.rowcount
    for reason, sql in KEPT:
        done.kept[reason] += session.execute(_statement(sql), values).scalar_one()
    return done


def forget_in_events(session: Session, email: str, *, after: Place, done: Forgotten) -> Place | None:
    """Search the next thousands of events and count what was done into ``done``; None when there are no more."""
    escaped = json.dumps(email)[1:-1]  # some senders write everything but ASCII like this
    values = {"email": email, "escaped": escaped, "limit": EVENTS_AT_ONCE, **after._asdict()}
    page = session.execute(_statement(EVENTS), values).one_or_none()
    if page is None:
        return None
    done.changed["webhook_events"] += page.changed
    done.kept["webhook events that are not finished"] += page.kept
    return Place(page.received_at, page.id)


def _statement(sql: str) -> TextClause:
    for name, part in PARTS.items():
        sql = sql.replace(name, part)
    return text(sql)
