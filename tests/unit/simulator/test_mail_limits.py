"""The request limit is a window of one second; quotas follow the calendar."""

from __future__ import annotations

import pytest

from simulator.mail.errors import ApiError
from simulator.mail.limits import Quota, RequestLimit


def test_a_window_takes_its_limit_and_then_says_when_to_return() -> None:
    now = [100.0]
    limit = RequestLimit(lambda: now[0])
    limit.limit = 2
    assert [limit.take()["ratelimit-remaining"] for _ in range(2)] == ["1", "0"]
    with pytest.raises(ApiError) as refused:
        limit.take()
    assert (refused.value.headers["retry-after"], refused.value.headers["ratelimit-limit"]) == ("1", "2")
    now[0] += 1
    assert limit.take()["ratelimit-remaining"] == "1"


def test_without_a_limit_there_are_no_headers() -> None:
    assert RequestLimit(lambda: 0.0).take() == {}


def test_the_daily_quota_renews_at_midnight_utc() -> None:
    now = [1_793_059_140.0]  # 23:59 UTC
    quota = Quota(lambda: now[0])
    quota.daily = 1
    quota.count(1)
    with pytest.raises(ApiError, match="daily_quota_exceeded"):
        quota.check(1)
    now[0] += 120
    quota.check(1)


def test_the_monthly_quota_outlives_the_day() -> None:
    now = [1_793_059_140.0]
    quota = Quota(lambda: now[0])
    quota.monthly = 1
    quota.count(1)
    now[0] += 86_400
    with pytest.raises(ApiError, match="monthly_quota_exceeded"):
        quota.check(1)
