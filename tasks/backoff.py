"""How long to wait before the next attempt: exponential steps with a jitter that has a floor and a ceiling."""

from __future__ import annotations

import random
from datetime import timedelta

JITTER = 0.25


def retry_delay(attempt: int, *, unit_seconds: float = 1.0, chance: random.Random | None = None) -> timedelta:
    """The pause after failed attempt ``attempt`` (from 1): ``unit * 2**attempt``, times a factor from 1 to 1.25.

    With the unit of one second: 2, 4, 8, 16, 32 s and at most a quarter more. Celery's own jitter is uniform from zero,
    which lets a fifth of the retries hit a struggling server at once; this one is never below the step.
    """
    if attempt < 1:
        raise ValueError(f"attempt counts from 1, got {attempt}")
    factor = 1 + JITTER * (chance or random).random()
    return timedelta(seconds=unit_seconds * 2**attempt * factor)
