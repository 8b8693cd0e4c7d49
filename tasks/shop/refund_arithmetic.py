"""How much of a payment went back and whether it is disputed: pure arithmetic over all reports, whatever order they came in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol


class Report(Protocol):
    """What the arithmetic reads of a report."""

    @property
    def kind(self) -> str: ...
    @property
    def stripe_event_id(self) -> str: ...
    @property
    def stripe_object_id(self) -> str: ...
    @property
    def amount_cents(self) -> int | None: ...
    @property
    def cumulative_cents(self) -> int | None: ...
    @property
    def dispute_status(self) -> str | None: ...
    @property
    def occurred_at(self) -> datetime: ...


class Dispute(NamedTuple):
    """The purchase's dispute: Stripe's status, and when the first report of any dispute was made."""

    status: str
    since: datetime


def refunded_cents(reports: Iterable[Report], *, amount_cents: int) -> int:
    """What went back and stayed there, between zero and what was paid.

    Each refund tells its own amount and the charge's total at that moment, and a total falls again when a refund fails. All that
    was ever refunded is therefore at least the greatest total, and the sum of the single amounts if we know them all; but never
    more than the greatest total plus what failed, which keeps a refund that Stripe reports under two event ids from counting twice.
    Example: 10 went back (total 10), failed, and 10 went back again (total 10): min(10 + 10, 10 + 10) - 10 = 10.
    """
    known = list(reports)
    refunds = [report for report in known if report.kind == "refund"]
    failed = sum({report.stripe_object_id: report.amount_cents or 0 for report in known if report.kind == "refund_failure"}.values())
    greatest_total = max((report.cumulative_cents or 0 for report in refunds), default=0)
    single_amounts = sum(report.amount_cents or 0 for report in refunds)
    ever_refunded = max(greatest_total, min(single_amounts, greatest_total + failed))
    return min(max(ever_refunded - failed, 0), amount_cents)


def credits_left(bought: int, *, refunded_cents: int, amount_cents: int) -> int:
    """What a refund leaves of bought credits, rounded in the buyer's favour; a full refund leaves none."""
    return bought - bought * refunded_cents // amount_cents if amount_cents else bought


def dispute_of(reports: Iterable[Report]) -> Dispute | None:
    """The dispute that matters most: a lost one, else one that is open, else one that ended well; None if there never was one.

    Within one dispute its end outranks its beginning, whatever their order.
    """
    disputes: dict[str, list[Report]] = {}
    for report in reports:
        if report.dispute_status is not None:
            disputes.setdefault(report.stripe_object_id, []).append(report)
    if not disputes:
        return None
    last_words = [max(told, key=_finality) for told in disputes.values()]
    gravest = max(last_words, key=lambda report: (_gravity(report), *_finality(report)))
    return Dispute(str(gravest.dispute_status), _first(disputes.values()))


def _finality(report: Report) -> tuple[bool, datetime, str]:
    return report.kind == "dispute_closed", report.occurred_at, report.stripe_event_id


def _gravity(report: Report) -> int:
    if report.dispute_status == "lost":
        return 2
    return 0 if report.kind == "dispute_closed" else 1


def _first(disputes: Iterable[Sequence[Report]]) -> datetime:
    return min(report.occurred_at for told in disputes for report in told)
