"""The one invariant, checked row by row against the sender's and the mail server's own records.

Every accepted event and every promised email is finished exactly once, or waits in plain sight, or is a failed operation; and the
provider accepted no mail twice.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from simulator.control import SimulatorClient


class Violation(NamedTuple):
    """A promise that does not hold, and the rows that show it."""

    promise: str
    rows: list[str]

    def __str__(self) -> str:
        return f"{self.promise}: {', '.join(self.rows[:5])}{' …' if len(self.rows) > 5 else ''} ({len(self.rows)})"  # noqa: PLR2004


def unfinished(session: Session) -> int:
    """Rows that are still to be worked on."""
    return int(session.execute(text(_UNFINISHED)).scalar_one())


def violations(session: Session, mail: SimulatorClient, *, accepted_event_ids: Collection[str]) -> list[Violation]:
    """What does not hold now; an empty list is the proof."""
    stored = set(session.execute(text("SELECT provider_event_id FROM webhook_events WHERE provider = 'stripe'")).scalars())
    found = [
        Violation("an accepted event is stored", sorted(set(accepted_event_ids) - stored)),
        Violation("only accepted events are stored", sorted(stored - set(accepted_event_ids))),
        *(Violation(promise, [str(row) for row in session.execute(text(query)).scalars()]) for promise, query in _QUERIES.items()),
        *_mail_violations(session, mail),
    ]
    return [violation for violation in found if violation.rows]


def _mail_violations(session: Session, mail: SimulatorClient) -> list[Violation]:
    summary, accepted = mail.summary(), {email.id: email for email in mail.emails()}
    rows = session.execute(text("SELECT id::text AS id, provider_message_id FROM notifications WHERE status = 'sent'"))
    sent = {row.id: row.provider_message_id for row in rows}
    known = set(session.execute(text("SELECT id::text FROM notifications")).scalars())
    taken = {email.dedupe for email in accepted.values() if email.dedupe is not None}
    undecided = _undecided(session)
    return [
        Violation("no mail key was accepted twice", [*summary.duplicate_keys, *summary.duplicate_dedupe_headers]),
        Violation(
            "a notification marked sent was accepted by the provider", [row for row, mail_id in sent.items() if mail_id not in accepted]
        ),
        Violation("a mail that was accepted is marked sent, or failed with an unknown outcome", sorted(taken - set(sent) - undecided)),
        Violation("every accepted mail was promised", sorted(taken - known)),
    ]


def _undecided(session: Session) -> set[str]:
    """Failed emails whose rows say that the provider may have taken them."""
    query = "SELECT id::text FROM notifications WHERE status = 'failed' AND outcome_unknown_at IS NOT NULL"
    return set(session.execute(text(query)).scalars())


_UNFINISHED = """
    SELECT (SELECT count(*) FROM webhook_events WHERE status IN ('pending', 'running'))
         + (SELECT count(*) FROM notifications WHERE status IN ('pending', 'running'))
"""

_QUERIES = {
    "work that failed is a failed operation": """
        SELECT 'event ' || provider_event_id FROM webhook_events e WHERE status = 'failed' AND NOT EXISTS (
            SELECT FROM failed_operations WHERE operation_type = 'webhook' AND operation_id = e.id AND resolved_at IS NULL)
        UNION ALL
        SELECT 'notification ' || id FROM notifications n WHERE status = 'failed' AND NOT EXISTS (
            SELECT FROM failed_operations WHERE operation_type = 'email' AND operation_id = n.id AND resolved_at IS NULL)
    """,
    "an unresolved failed operation is work that failed": """
        SELECT 'failed operation ' || f.id FROM failed_operations f WHERE resolved_at IS NULL AND (
            operation_type = 'webhook' AND EXISTS (
                SELECT FROM webhook_events WHERE id = f.operation_id AND status IN ('processed', 'ignored'))
            OR operation_type = 'email' AND EXISTS (SELECT FROM notifications WHERE id = f.operation_id AND status = 'sent'))
    """,
    "a purchase is completed as often as it is paid": """
        SELECT 'purchase ' || p.id FROM purchases p
        WHERE (SELECT count(*) FROM credit_entries c WHERE c.purchase_id = p.id AND c.amount > 0) > 1
    """,
    "a completed lead purchase has its leads or a failed operation": """
        SELECT 'purchase ' || p.id FROM purchases p JOIN purchase_items i ON i.purchase_id = p.id JOIN leads l ON l.id = i.lead_id
        WHERE p.status = 'completed' AND l.sold_to_purchase_id IS DISTINCT FROM p.id
          AND NOT EXISTS (SELECT FROM failed_operations f WHERE f.event_data::text LIKE '%' || p.id || '%')
    """,
    "a completed purchase promised its confirmation once": """
        SELECT 'purchase ' || p.id FROM purchases p WHERE p.status = 'completed'
          AND (SELECT count(*) FROM notifications n WHERE n.dedupe_key = 'purchase/' || p.id || '/confirmation') <> 1
    """,
}
