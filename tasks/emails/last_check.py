"""The last look before an email leaves: whoever promised it may say that it is no longer wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.orm import Session


class Leaving(NamedTuple):
    """A notification that is about to be sent."""

    id: UUID
    kind: str


Check = Callable[[Session, Sequence[Leaving]], Mapping[UUID, str]]

_checks: list[Check] = []


def check_before_sending(check: Check) -> Check:
    """Let ``check`` name those of some notifications that must not be sent, each with the reason; any number at once (a decorator).

    It is called in the transaction that then ends these notifications as ``dropped``, so it may undo there what belongs to them.
    """
    _checks.append(check)
    return check


def no_longer_wanted(session: Session, leaving: Sequence[Leaving]) -> dict[UUID, str]:
    """Those that must not be sent, each with the reason for its log."""
    return {row_id: reason for check in _checks for row_id, reason in check(session, leaving).items()}
