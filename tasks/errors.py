"""Every error that a task may raise on purpose; whatever is not one of these is retried."""

from __future__ import annotations

from datetime import timedelta


class RedriveError(Exception):
    """Any error that Redrive itself raises."""


class PermanentFailure(RedriveError):  # noqa: N818 - the name says what the task does with it, as the house rules want
    """Trying again cannot help; the operation goes to the dead letters now."""

    reason = "permanent"
    needs_confirmation = False


class RetryLater(RedriveError):  # noqa: N818
    """Trying again may help, but not before ``delay``; counts as an attempt."""

    def __init__(self, message: str, *, delay: timedelta) -> None:
        super().__init__(message)
        self.delay = delay


class Deferred(RedriveError):  # noqa: N818
    """Not tried yet because a limit or a quota says so; waits ``delay`` and does not count as an attempt."""

    def __init__(self, message: str, *, delay: timedelta) -> None:
        super().__init__(message)
        self.delay = delay


class ProviderAway(RedriveError):  # noqa: N818
    """A provider does not answer now; whoever asks only now and then asks again at the next time."""


class OutcomeUnknown(PermanentFailure):
    """The effect may have happened and can no longer be found out; only a person may decide to repeat it."""

    reason = "outcome_unknown"
    needs_confirmation = True


class MalformedRowId(PermanentFailure):
    """A message whose argument is not the id of a row; no row waits for it."""

    reason = "malformed_id"


class TaskMemoryError(RedriveError):
    """A task ran out of memory; the original ``MemoryError`` would have stopped the whole worker."""
