"""What a run shows: the table of what was sent and what became of it, and one line for each kind of fault."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from rich.table import Table
from sqlalchemy import text
from sqlalchemy.orm import Session

from local.chaos.faults import Injected
from local.chaos.sender import Records
from local.chaos.story import Story
from simulator.control import SimulatorClient


class Span(NamedTuple):
    """From when until when (on the wall clock) a row waited to be done."""

    begun_at: float
    done_at: float


class Recovery(NamedTuple):
    """One kind of fault: how often, and the longest time after its end until something new was done."""

    kind: str
    times: int
    longest_seconds: float | None


def recoveries(session: Session, injected: Sequence[Injected]) -> list[Recovery]:
    """For mail faults the first mail promised afterwards counts, for all others the first event accepted afterwards."""
    events, mails = _spans(session, _EVENTS), _spans(session, _MAILS)
    measured: dict[str, list[float | None]] = defaultdict(list)
    for fault in injected:
        measured[fault.kind].append(_recovery(mails if fault.kind.startswith("mail") else events, fault))
    return [
        Recovery(kind, len(found), max((seconds for seconds in found if seconds is not None), default=None))
        for kind, found in sorted(measured.items())
    ]


def fault_table(found: Sequence[Recovery]) -> Table:
    """One line for each kind."""
    table = Table("fault", "injected", "longest recovery", title="Faults", title_justify="left")
    for recovery in found:
        seconds = "-" if recovery.longest_seconds is None else f"{recovery.longest_seconds:.1f} s"
        table.add_row(recovery.kind, str(recovery.times), seconds)
    table.add_row("all", str(sum(recovery.times for recovery in found)), "", style="bold")
    return table


def result_table(session: Session, mail: SimulatorClient, story: Story, records: Records, *, lost: int, seed: int) -> Table:
    """What was sent, and what became of it."""
    summary = mail.summary()
    twice = len(summary.duplicate_keys) + len(summary.duplicate_dedupe_headers)
    table = Table("", "", title=f"Chaos, seed {seed}", title_justify="left", show_header=False)
    rows: list[tuple[str, object]] = [
        ("requests of the sender", sum(records.answers.values())),
        ("of them answered 200 / 400 / 503 / not at all", " / ".join(str(records.answers[status]) for status in (200, 400, 503, 0))),
        ("slowest answer 200", f"{records.slowest_seconds:.2f} s"),
        ("events sent", len(story.genuine)),
        ("events accepted", len(records.accepted)),
        ("forged events refused", len(records.forged_answers)),
        *((label, session.execute(text(query)).scalar_one()) for label, query in _COUNTS.items()),
        ("emails accepted by the provider", summary.accepted),
        (
            "longest wait of an accepted event",
            f"{max((span.done_at - span.begun_at for span in _spans(session, _EVENTS)), default=0):.1f} s",
        ),
        ("longest wait of a promised email", f"{max((span.done_at - span.begun_at for span in _spans(session, _MAILS)), default=0):.1f} s"),
        ("duplicates", twice),
        ("lost", lost),
    ]
    for label, value in rows:
        table.add_row(label, str(value))
    return table


def _recovery(spans: Sequence[Span], fault: Injected) -> float | None:
    later = spans[bisect_left(spans, fault.begun_at, key=lambda span: span.begun_at) :]
    return max(min(span.done_at for span in later) - fault.ended_at, 0.0) if later else None


def _spans(session: Session, query: str) -> list[Span]:
    return [Span(row.begun_at, row.done_at) for row in session.execute(text(query))]


_EVENTS = """
    SELECT extract(epoch FROM received_at)::float8 AS begun_at, extract(epoch FROM finished_at)::float8 AS done_at
    FROM webhook_events WHERE finished_at IS NOT NULL AND redrives = 0 ORDER BY 1
"""
_MAILS = """
    SELECT extract(epoch FROM created_at)::float8 AS begun_at, extract(epoch FROM finished_at)::float8 AS done_at
    FROM notifications WHERE finished_at IS NOT NULL AND redrives = 0 ORDER BY 1
"""
_COUNTS = {
    "events processed": "SELECT count(*) FROM webhook_events WHERE status = 'processed'",
    "events of a type without a handler": "SELECT count(*) FROM webhook_events WHERE status = 'ignored'",
    "events that needed a person": "SELECT count(*) FROM webhook_events WHERE status = 'failed'",
    "events that needed more than one attempt": "SELECT count(*) FROM webhook_events WHERE attempts > 1",
    "purchases completed": "SELECT count(*) FROM purchases WHERE status = 'completed'",
    "leads sold": "SELECT count(*) FROM leads WHERE sold_to_purchase_id IS NOT NULL",
    "paid leads that were sold already, told to a person": "SELECT count(*) FROM failed_operations WHERE reason = 'lead_already_sold'",
    "emails promised": "SELECT count(*) FROM notifications",
    "emails sent": "SELECT count(*) FROM notifications WHERE status = 'sent'",
    "emails to addresses that never work, told to a person": "SELECT count(*) FROM notifications WHERE status = 'failed'",
    "emails that needed more than one attempt": "SELECT count(*) FROM notifications WHERE attempts > 1",
    "operations redriven by a person": "SELECT (SELECT count(*) FROM webhook_events WHERE redrives > 0)"
    " + (SELECT count(*) FROM notifications WHERE redrives > 0)",
}
