"""Wait for something that another process or thread does, without guessing how long it takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


class HopelessError(Exception):
    """Raised inside an attempt when waiting on makes no sense any more; ends ``eventually`` at once."""


def eventually(
    attempt: Callable[[], Value],
    within_seconds: float = 10,
    *,
    ignoring: tuple[type[Exception], ...] = (),
    every_seconds: float = 0.02,
) -> Value:
    """Call ``attempt`` until it returns something truthy and return that; fail with the last value or error otherwise.

    Exceptions of the types in ``ignoring`` count as "not yet"; a failed ``assert`` inside ``attempt`` always does, so an
    assertion over a changing thing can be waited for as it stands. The pause between attempts grows from
    ``every_seconds`` to ten times that, so that long waits do not take the processor from what they wait for.
    """
    not_yet: tuple[type[Exception], ...] = (AssertionError, *ignoring)
    deadline = time.monotonic() + within_seconds
    pause = every_seconds
    while True:
        last: object
        cause: Exception | None = None
        try:
            value = attempt()
            if value:
                return value
            last = value
        except not_yet as error:
            last, cause = error, error
        left = deadline - time.monotonic()
        if left <= 0:
            name = getattr(attempt, "__qualname__", repr(attempt))
            raise AssertionError(f"not within {within_seconds:g} s: {name} last gave {last!r}") from cause
        time.sleep(min(pause, left))
        pause = min(pause * 1.2, every_seconds * 10)
