from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.shop.refund_arithmetic import credits_left, dispute_of, refunded_cents

START = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Told:
    kind: str
    stripe_event_id: str = "evt_1"
    stripe_object_id: str = "ch_1"
    amount_cents: int | None = None
    cumulative_cents: int | None = None
    dispute_status: str | None = None
    occurred_at: datetime = START


def refund(amount_cents: int | None, total: int, event: str = "evt_1") -> Told:
    return Told("refund", event, "ch_1", amount_cents, total)


def failure(amount_cents: int, refund_id: str = "re_1", event: str = "evt_9") -> Told:
    return Told("refund_failure", event, refund_id, amount_cents)


@pytest.mark.parametrize(
    ("reports", "went_back"),
    [
        ([], 0),
        ([refund(10, 10)], 10),
        ([refund(20, 30)], 30),  # the report of the first 10 is still missing
        ([refund(20, 30), refund(10, 10)], 30),
        ([refund(None, 30)], 30),  # does not say what had gone back before
        ([refund(10, 10, "evt_1"), refund(10, 10, "evt_2")], 10),  # one refund under two event ids
        ([refund(100, 100)], 100),
        ([refund(900, 900)], 100),  # never more than was paid
        ([failure(10)], 0),  # the refund itself is still missing
        ([refund(10, 10), failure(10)], 0),
        ([refund(10, 10), failure(10), failure(10, event="evt_10")], 0),
        ([refund(10, 10, "evt_1"), failure(10), refund(10, 10, "evt_2")], 10),
        ([refund(10, 10, "evt_1"), refund(20, 30, "evt_2"), failure(10), refund(5, 25, "evt_3")], 25),
    ],
)
def test_what_went_back_follows_from_all_reports(reports: list[Told], went_back: int) -> None:
    assert refunded_cents(reports, amount_cents=100) == went_back
    assert refunded_cents(reversed(reports), amount_cents=100) == went_back


@given(st.lists(st.tuples(st.integers(1, 60), st.booleans()), max_size=8), st.randoms(use_true_random=False))
def test_whatever_is_refunded_and_fails_the_sum_is_what_the_buyer_has(steps: list[tuple[int, bool]], chance: object) -> None:
    """Plays refunds against a charge as Stripe does: a failed one lowers the charge's total again."""
    reports: list[Told] = []
    total = 0
    for number, (amount, fails) in enumerate(steps):
        amount_cents = min(amount, 100 - total)
        if amount_cents:
            total += amount_cents
            reports.append(refund(amount_cents, total, f"evt_{number}"))
            if fails:
                total -= amount_cents
                reports.append(failure(amount_cents, f"re_{number}", f"evt_f{number}"))
    chance.shuffle(reports)  # type: ignore[attr-defined]
    assert refunded_cents(reports, amount_cents=100) == total


@pytest.mark.parametrize(("refunded", "left"), [(0, 10), (9, 10), (10, 9), (50, 5), (99, 1), (100, 0)])
def test_credits_are_taken_in_proportion_and_rounded_in_the_buyers_favour(refunded: int, left: int) -> None:
    assert credits_left(10, refunded_cents=refunded, amount_cents=100) == left


def test_credits_that_cost_nothing_are_never_taken() -> None:
    assert credits_left(10, refunded_cents=0, amount_cents=0) == 10


def dispute(kind: str, status: str, *, hours: int = 0, dispute_id: str = "du_1") -> Told:
    return Told(kind, f"evt_{hours}", dispute_id, dispute_status=status, occurred_at=START + timedelta(hours=hours))


@pytest.mark.parametrize(
    ("reports", "status"),
    [
        ([dispute("dispute_opened", "needs_response")], "needs_response"),
        ([dispute("dispute_opened", "needs_response", hours=1), dispute("dispute_closed", "won", hours=0)], "won"),
        ([dispute("dispute_closed", "won"), dispute("dispute_opened", "needs_response", dispute_id="du_2")], "needs_response"),
        ([dispute("dispute_closed", "lost"), dispute("dispute_opened", "needs_response", dispute_id="du_2")], "lost"),
        ([dispute("dispute_closed", "lost"), dispute("dispute_closed", "won", hours=3)], "won"),  # an appeal
        ([dispute("dispute_closed", "warning_closed")], "warning_closed"),
    ],
)
def test_the_gravest_dispute_is_shown_and_its_end_outranks_its_beginning(reports: list[Told], status: str) -> None:
    for told in (reports, reports[::-1]):
        found = dispute_of(told)
        assert found is not None
        assert (found.status, found.since) == (status, START)


def test_without_reports_there_is_no_dispute() -> None:
    assert dispute_of([refund(10, 10)]) is None
