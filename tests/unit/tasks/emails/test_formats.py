"""Money, days and times as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tasks.emails.formats import clock, clock_range, day, greeting, minutes, moment, money


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (14_900, "usd", "$149.00"),
        (5, "USD", "$0.05"),
        (-2_500, "usd", "-$25.00"),
        (123_456_789, "eur", "€1,234,567.89"),
        (500, "jpy", "¥500"),
        (50_000, "krw", "₩50,000"),
        (12_345, "kwd", "KWD\N{NO-BREAK SPACE}12.345"),
        (1_500_00, "isk", "ISK\N{NO-BREAK SPACE}1,500"),
        (100, "clp", "CLP\N{NO-BREAK SPACE}100"),
    ],
)
def test_money_has_the_digits_of_its_currency(amount: int, currency: str, text: str) -> None:
    assert money(amount, currency) == text


def test_days_and_times_are_those_of_the_place() -> None:
    instant = datetime(2026, 11, 1, 6, 30, tzinfo=UTC)  # an hour after the clocks in New York went back
    assert day(instant, "America/New_York") == "Sunday, November 1, 2026"
    assert clock(instant, "America/New_York") == "1:30\N{NO-BREAK SPACE}AM EST"
    assert clock(instant, "Asia/Dubai") == "10:30\N{NO-BREAK SPACE}AM UTC+04"
    assert moment(instant, "UTC") == "November 1, 2026, 6:30\N{NO-BREAK SPACE}AM UTC"


def test_a_range_names_both_days_when_it_passes_midnight() -> None:
    start, end = datetime(2026, 11, 12, 23, tzinfo=UTC), datetime(2026, 11, 13, 1, tzinfo=UTC)
    space = "\N{NO-BREAK SPACE}"
    assert clock_range(start, end, "UTC") == f"11:00{space}PM UTC to 1:00{space}AM UTC on Friday, November 13, 2026"


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 minutes"), (1, "1 minute"), (15, "15 minutes"), (60, "1 hour"), (90, "90 minutes"), (2_880, "2 days")]
)
def test_minutes_are_said_in_the_largest_whole_unit(count: int, text: str) -> None:
    assert minutes(count) == text


@pytest.mark.parametrize(
    ("name", "text"), [("Ada", "Hello Ada,"), (None, "Hello,"), ("", "Hello,"), ("J.R. Tolkien", "Hello J.R. Tolkien,")]
)
def test_people_are_greeted_by_name(name: str | None, text: str) -> None:
    assert greeting(name) == text
