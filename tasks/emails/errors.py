"""Why an email cannot be promised; each of these is the caller's to repair, so trying the same call again cannot help."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.errors import PermanentFailure


class NotificationRefused(PermanentFailure):
    """The email was not queued."""

    reason = "notification_refused"


class UnknownKind(NotificationRefused):
    """There is no such kind of email."""

    reason = "unknown_kind"

    def __init__(self, name: str, *, known: Sequence[str]) -> None:
        super().__init__(f"there is no kind of email called {name[:60]!r}; there are {', '.join(known)}")
        self.name = name


class InvalidPayload(NotificationRefused):
    """The payload does not fit the kind; ``problems`` says where and why, without the values themselves."""

    reason = "invalid_payload"

    def __init__(self, kind: str, problems: Sequence[str]) -> None:
        super().__init__(f"the payload of {kind} is not valid: {'; '.join(problems)}")
        self.problems = tuple(problems)


class InvalidNotification(NotificationRefused):
    """Something beside the payload is not valid: the address, the user, the dedupe key or the time."""

    reason = "invalid_notification"


class DedupeConflict(NotificationRefused):
    """The dedupe key was used before for another email."""

    reason = "dedupe_conflict"

    def __init__(self, dedupe_key: str) -> None:
        super().__init__(
            f"the dedupe key {dedupe_key[:100]!r} was used before for another notification;"
            " use a new key for a new email, or send exactly the same one again"
        )
        self.dedupe_key = dedupe_key
