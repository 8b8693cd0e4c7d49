"""From when to when a sweep looks: two hours around the due time, further back after an outage, never at what has begun."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tasks.reminder_shelf  # noqa: F401 - fills the shelf
from tasks.reminder_walk import window_of
from tasks.reminders import sources
from tasks.reminders.meetings import DAY_BEFORE, HOUR_BEFORE

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
SWEPT = st.one_of(st.none(), st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400)).map(lambda ago: NOW - ago))


def test_in_quiet_times_the_window_is_two_hours_around_the_due_time() -> None:
    window = window_of(DAY_BEFORE, NOW, NOW - HOUR / 2)
    assert (window.until - window.after) == 2.5 * HOUR  # half an hour of it is what fell due since the last sweep
    assert window.until == NOW + 25 * HOUR
    assert window_of(DAY_BEFORE, NOW, NOW).after == NOW + 23 * HOUR


@pytest.mark.parametrize(("hours", "back"), [(3, 4), (10, 11), (11.5, 12), (30, 12), (5000, 12)])
def test_after_an_outage_it_reaches_back_to_the_last_sweep_up_to_the_limit(hours: float, back: float) -> None:
    assert window_of(DAY_BEFORE, NOW, NOW - hours * HOUR).after == NOW + 24 * HOUR - back * HOUR


def test_without_an_earlier_sweep_the_whole_limit_is_looked_at() -> None:
    assert window_of(DAY_BEFORE, NOW, None).after == NOW + 12 * HOUR


def test_an_hour_before_ends_five_minutes_before_the_event() -> None:
    assert window_of(HOUR_BEFORE, NOW, NOW - 10 * HOUR).after == NOW + timedelta(minutes=5)


@given(SWEPT)
def test_no_window_of_any_source_reaches_what_has_begun_or_is_too_late(swept_at: datetime | None) -> None:
    for source in sources():
        window = window_of(source, NOW, swept_at)
        assert NOW <= window.after < window.until
        assert window.after >= NOW + source.lead - source.late_limit


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=2)), st.timedeltas(min_value=timedelta(0), max_value=2 * HOUR))
def test_windows_of_two_sweeps_leave_no_gap_but_the_limit(pause: timedelta, duration: timedelta) -> None:
    """The first sweep began a ``pause`` ago and took ``duration``; it is remembered by its end."""
    for source in sources():
        first = window_of(source, NOW - pause - duration, None)
        second = window_of(source, NOW, NOW - pause)
        assert second.after <= max(first.until, NOW + source.lead - source.late_limit, NOW)
