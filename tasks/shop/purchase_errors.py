"""Why an event about a purchase needs a person: each of these ends in the dead letters, and none of them changed anything."""

from __future__ import annotations

from tasks.errors import PermanentFailure


class MalformedEvent(PermanentFailure):
    """The event's object lacks what its type needs, or has it in a form that we cannot read."""

    reason = "malformed_event"


class UnknownPurchase(PermanentFailure):
    """Money came for a purchase that we do not know."""

    reason = "unknown_purchase"


class AmountMismatch(PermanentFailure):
    """The money that came is not what the purchase asks for."""

    reason = "amount_mismatch"


class PaidTwice(PermanentFailure):
    """A completed purchase was paid once more, by another checkout or another payment."""

    reason = "paid_twice"


class WrongKind(PermanentFailure):
    """The purchase is of another kind than the caller expects."""

    reason = "wrong_kind"
