"""Why a failed operation is not run again or resolved now; each sentence says what to do instead."""

from __future__ import annotations

from uuid import UUID

from tasks.errors import RedriveError


class RedriveRefused(RedriveError):  # noqa: N818 - says what happened, as its siblings do
    """Nothing was changed; ``code`` is for programs."""

    code = "refused"


class UnknownOperation(RedriveRefused):
    """There is no such failed operation."""

    code = "unknown_operation"

    def __init__(self, operation: UUID | str) -> None:
        super().__init__(f"There is no failed operation {operation}.")


class AmbiguousId(RedriveRefused):
    """The beginning of an id names several failed operations."""

    code = "ambiguous_id"

    def __init__(self, beginning: str) -> None:
        super().__init__(f"More than one failed operation begins with {beginning}: give more of its id.")


class AlreadyResolved(RedriveRefused):
    """There is nothing left to do."""

    code = "already_resolved"


class NotFailedAnyMore(RedriveRefused):
    """The operation itself has gone on since: it waits, runs, or was done."""

    code = "not_failed_any_more"


class ConfirmationNeeded(RedriveRefused):
    """Running it again may repeat something that already happened; a person has to say that this is meant."""

    code = "confirmation_needed"


class NotRepeatable(RedriveRefused):
    """No program can do this again."""

    code = "not_repeatable"


class NotPublished(RedriveRefused):
    """Redis did not take the task."""

    code = "broker_away"
