"""What must hold after a run: the one invariant, and the end of every purchase as its story tells it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from local.chaos.sender import Records
from local.chaos.story import BROKEN_DOMAIN, Plan, Story
from local.ledger_checks import Violation, violations
from simulator.control import SimulatorClient

REFUSED = 400
LOSSES = {
    "an accepted event is stored",
    "work that failed is a failed operation",
    "work does not wait for ever",
    "each event ends as its story tells",
    "each purchase ends as its story tells",
    "each purchase and each new buyer gets the mails that are due",
}


def judge(session: Session, mail: SimulatorClient, story: Story, records: Records) -> list[Violation]:
    """Every promise that does not hold, with its rows; an empty list is the proof."""
    found = [
        *violations(session, mail, accepted_event_ids=records.accepted.keys()),
        Violation("the sender's every event is acknowledged in the end", sorted(story.genuine - records.accepted.keys())),
        Violation(
            "a forged signature is answered 400",
            [f"{event_id} answered {status}" for event_id, status in records.forged_answers.items() if status != REFUSED],
        ),
        Violation("work does not wait for ever", _overdue(session)),
        Violation("each event ends as its story tells", list(_wrong_events(session, story))),
        Violation("each purchase ends as its story tells", list(_wrong_purchases(session, story))),
        Violation("a lead is sold once, to somebody who paid for it", list(_wrong_leads(session, story))),
        Violation("each purchase and each new buyer gets the mails that are due", list(_wrong_mails(session, mail, story))),
    ]
    return [violation for violation in found if violation.rows]


def lost(found: Sequence[Violation]) -> int:
    """How many rows of the violations are work that was promised and is not done."""
    return sum(len(violation.rows) for violation in found if violation.promise in LOSSES)


def _overdue(session: Session) -> list[str]:
    return [
        f"{row.kind} {row.id} is {row.status} since {row.sweep_at}"
        for row in session.execute(
            text(
                "SELECT 'event' AS kind, id, status, sweep_at FROM webhook_events WHERE status IN ('pending', 'running')"
                " UNION ALL SELECT 'notification', id, status, sweep_at FROM notifications WHERE status IN ('pending', 'running')"
            )
        )
    ]


def _wrong_events(session: Session, story: Story) -> Iterator[str]:
    rows = session.execute(
        text(
            "SELECT e.provider_event_id AS name, e.status, f.reason FROM webhook_events e"
            " LEFT JOIN failed_operations f ON f.operation_type = 'webhook' AND f.operation_id = e.id AND f.resolved_at IS NULL"
        )
    )
    for row in rows:
        expected = ("failed", story.reasons[row.name]) if row.name in story.reasons else ("processed", None)
        expected = ("ignored", None) if row.name in story.ignored else expected
        if (row.status, row.reason) != expected:
            yield f"{row.name} is {row.status} ({row.reason}) instead of {expected[0]} ({expected[1]})"


def _wrong_purchases(session: Session, story: Story) -> Iterator[str]:
    rows = session.execute(
        text(
            "SELECT p.id, p.status, p.refunded_cents, coalesce(p.dispute_status, '') AS dispute,"
            " (SELECT coalesce(sum(amount), 0) FROM credit_entries WHERE purchase_id = p.id)::bigint AS credits FROM purchases p"
        )
    )
    found = {row.id: (row.status, row.refunded_cents, row.dispute, row.credits) for row in rows}
    for plan in story.plans:
        expected = (plan.status, plan.refunded_cents, plan.dispute_status or "", plan.credits)
        if found[plan.purchase_id] != expected:
            yield f"purchase {plan.purchase_id} is {found[plan.purchase_id]} instead of {expected}"


def _wrong_leads(session: Session, story: Story) -> Iterator[str]:
    owners = {row.id: row.owner for row in session.execute(text("SELECT id, sold_to_purchase_id AS owner FROM leads"))}
    told = set(session.execute(text("SELECT operation_id FROM failed_operations WHERE reason = 'lead_already_sold'")).scalars())
    buyers: dict[UUID, list[Plan]] = defaultdict(list)
    for plan in story.plans:
        for lead_id in plan.lead_ids:
            buyers[lead_id].append(plan)
    for lead_id, plans in buyers.items():
        paid = {plan.purchase_id for plan in plans if plan.paid}
        if owners[lead_id] not in paid and (paid or owners[lead_id]):
            yield f"lead {lead_id} belongs to {owners[lead_id]} and was paid for by {sorted(map(str, paid))}"
        yield from (f"purchase {buyer} lacks lead {lead_id} and nobody is told" for buyer in paid - {owners[lead_id]} - told)


def _wrong_mails(session: Session, mail: SimulatorClient, story: Story) -> Iterator[str]:
    rows = list(session.execute(text("SELECT id::text, dedupe_key, recipient_email, status, payload FROM notifications")))
    promised = {row.dedupe_key: row for row in rows}
    accepted = {email.dedupe for email in mail.emails()}
    due = {f"purchase/{plan.purchase_id}/confirmation" for plan in story.plans if plan.paid}
    due |= {f"user/{row.id}/welcome" for row in session.execute(text("SELECT id FROM users"))}
    yield from (f"{key} was never promised" for key in sorted(due - promised.keys()))
    yield from (f"{key} is not due" for key in sorted(promised.keys() - due) if "/refund/" not in key)
    for row in rows:
        refused = row.recipient_email.endswith(f"@{BROKEN_DOMAIN}")
        if (row.status, row.id in accepted) != (("failed", False) if refused else ("sent", True)):
            yield f"{row.dedupe_key} is {row.status}, and the provider has {'one' if row.id in accepted else 'none'}"
    announced: dict[str, int] = defaultdict(int)
    for row in rows:
        if "/refund/" in row.dedupe_key:
            announced[row.payload["purchase_id"]] += row.payload["refunded_cents"]
    for plan in story.plans:
        if announced[str(plan.purchase_id)] != plan.refunded_cents:
            yield f"purchase {plan.purchase_id}: {announced[str(plan.purchase_id)]} cents announced, {plan.refunded_cents} refunded"
