from __future__ import annotations

import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.backoff import retry_delay


@given(attempt=st.integers(1, 20), unit=st.floats(0.001, 60), seed=st.integers())
def test_a_pause_is_never_shorter_than_its_step_nor_longer_than_a_quarter_more(attempt: int, unit: float, seed: int) -> None:
    step = timedelta(seconds=unit * 2**attempt)
    delay = retry_delay(attempt, unit_seconds=unit, chance=random.Random(seed))
    assert step <= delay <= step * 1.25 + timedelta(microseconds=1)


@given(attempt=st.integers(1, 15), seed=st.integers())
def test_every_pause_is_longer_than_the_one_before(attempt: int, seed: int) -> None:
    chance = random.Random(seed)
    assert retry_delay(attempt + 1, chance=chance) > retry_delay(attempt, chance=chance)


def test_the_steps_of_a_webhook_are_2_4_8_16_and_32_seconds() -> None:
    class Never(random.Random):
        def random(self) -> float:
            return 0.0

    assert [retry_delay(attempt, chance=Never()).total_seconds() for attempt in range(1, 6)] == [2, 4, 8, 16, 32]


def test_pauses_differ_so_that_retries_do_not_come_all_at_once() -> None:
    assert len({retry_delay(1) for _ in range(100)}) > 90


@pytest.mark.parametrize("attempt", [0, -1])
def test_attempts_count_from_one(attempt: int) -> None:
    with pytest.raises(ValueError, match="counts from 1"):
        retry_delay(attempt)
