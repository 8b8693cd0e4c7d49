"""What a run shows: the table of what was sent and what became of it, and one line for each kind of fault."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from rich.table import Table
from sqlalchemy import text
from sqlalchemy.orm import Session

from local.chaos.injection import Injected
from local.chaos.sender import Records
from local.chaos.story import Story
from simulator.control import SimulatorClient

COLUMNS = ("fault", "times", "events taken after", "work done after", "interrupted work done after")


@dataclass(frozen=True)
class Done:
    """When work came in and when it was done (wall clock), by row."""

    came_at: dict[UUID, float]
    done_at: dict[UUID, float]

    @property
    def waits(self) -> list[tuple[float, UUID]]:
        """Seconds and row, the longest first."""
        return sorted(((done - self.came_at[row], row) for row, done in self.done_at.items()), reverse=True)


class FaultTable:
    """For each kind of fault the longest time after its end until events were taken, work was done, and interrupted work was done."""

    def __init__(self, session: Session, accepted_at: Iterable[float]) -> None:
        self._events, self._mails = _read(session, _EVENTS), _read(session, _MAILS)
        self._accepted = sorted(accepted_at)
        self._mails_done = sorted(self._mails.done_at.values())
        self._all_done = sorted([*self._events.done_at.values(), *self._mails_done])

    def table(self, injected: Sequence[Injected]) -> Table:
        table = Table(*COLUMNS, title="Faults, and the longest recovery from each", title_justify="left")
        kinds: dict[str, list[Injected]] = defaultdict(list)
        for fault in injected:
            kinds[fault.kind].append(fault)
        for kind, faults in sorted(kinds.items()):
            done = self._mails_done if kind.startswith("mail") else self._all_done
            taken = _longest(_next(self._accepted, fault) for fault in faults)
            table.add_row(
                kind, str(len(faults)), taken, _longest(_next(done, fault) for fault in faults), _longest(map(self._redone, faults))
            )
        table.add_row("all", str(len(injected)), _longest(map(self._taken, injected)), *self.longest(injected))
        return table

    def longest(self, injected: Sequence[Injected]) -> tuple[str, str]:
        """Over all faults: until any work was done again, and until all that was interrupted was done."""
        return _longest(map(self._worked, injected)), _longest(map(self._redone, injected))

    def _taken(self, fault: Injected) -> float | None:
        return _next(self._accepted, fault)

    def _worked(self, fault: Injected) -> float | None:
        return _next(self._all_done, fault)

    def _mailed(self, fault: Injected) -> float | None:
        return _next(self._mails_done, fault)

    def _redone(self, fault: Injected) -> float | None:
        moments = self._events.done_at | self._mails.done_at
        return max((moments[row] - fault.ended_at for row in fault.interrupted if row in moments), default=None)

    @property
    def waits(self) -> tuple[list[tuple[float, UUID]], list[tuple[float, UUID]]]:
        """Of accepted events, and of promised emails: seconds and row, the longest first."""
        return self._events.waits, self._mails.waits


def result_table(session: Session, mail: SimulatorClient, story: Story, records: Records, *, title: str) -> Table:
    """What was sent, and what became of it."""
    summary = mail.summary()
    table = Table("", "", title=title, title_justify="left", show_header=False)
    rows: list[tuple[str, object]] = [
        ("requests of the sender", sum(records.answers.values())),
        ("of them answered 200 / 400 / 503 / not at all", " / ".join(str(records.answers[status]) for status in (200, 400, 503, 0))),
        ("slowest answer 200", f"{records.slowest_seconds:.2f} s"),
        ("events sent", len(story.genuine)),
        ("events accepted", len(records.accepted)),
        ("forged events refused", len(records.forged_answers)),
        *((label, session.execute(text(query)).scalar_one()) for label, query in _COUNTS.items()),
        ("emails accepted by the provider", summary.accepted),
    ]
    for label, value in rows:
        table.add_row(label, str(value))
    return table


def _next(moments: Sequence[float], fault: Injected) -> float | None:
    place = bisect_right(moments, fault.ended_at)
    return moments[place] - fault.ended_at if place < len(moments) else None


def _longest(found: Iterable[float | None]) -> str:
    seconds = [each for each in found if each is not None]
    return f"{max(*seconds, 0.0):.1f} s" if seconds else "-"


def _read(session: Session, query: str) -> Done:
    rows = list(session.execute(text(query)))
    return Done({row.id: row.came_at for row in rows}, {row.id: row.done_at for row in rows})


_EVENTS = """
    SELECT id, extract(epoch FROM received_at)::float8 AS came_at, extract(epoch FROM finished_at)::float8 AS done_at
    FROM webhook_events WHERE finished_at IS NOT NULL AND redrives = 0
"""
_MAILS = """
    SELECT id, extract(epoch FROM created_at)::float8 AS came_at, extract(epoch FROM finished_at)::float8 AS done_at
    FROM notifications WHERE finished_at IS NOT NULL AND redrives = 0
"""
_COUNTS = {
    "events processed": "SELECT count(*) FROM webhook_events WHERE status = 'processed'",
    "events of a type without a handler": "SELECT count(*) FROM webhook_events WHERE status = 'ignored'",
    "events that cannot be processed, told to a person": "SELECT count(*) FROM webhook_events WHERE status = 'failed'",
    "events that needed more than one attempt": "SELECT count(*) FROM webhook_events WHERE attempts > 1",
    "purchases completed": "SELECT count(*) FROM purchases WHERE status = 'completed'",
    "leads sold": "SELECT count(*) FROM leads WHERE sold_to_purchase_id IS NOT NULL",
    "paid leads sold a moment earlier, told to a person": "SELECT count(*) FROM failed_operations WHERE reason = 'lead_already_sold'",
    "emails promised": "SELECT count(*) FROM notifications",
    "emails sent": "SELECT count(*) FROM notifications WHERE status = 'sent'",
    "emails to impossible addresses, told to a person": "SELECT count(*) FROM notifications WHERE status = 'failed'",
    "emails that needed more than one attempt": "SELECT count(*) FROM notifications WHERE attempts > 1",
    "operations out of retries, redriven by a person": "SELECT (SELECT count(*) FROM webhook_events WHERE redrives > 0)"
    " + (SELECT count(*) FROM notifications WHERE redrives > 0)",
}
