"""Lists of failed operations: filters, and pages that stay right while rows come and go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Self
from uuid import UUID

from sqlalchemy import ColumnElement, Text, cast, func, select, tuple_
from sqlalchemy.orm import Session, defer

from models.failed_operations import FailedOperation

Row = FailedOperation


class BadCursorError(ValueError):
    """The text is no place in a list of failed operations."""


@dataclass(frozen=True)
class Filters:
    """Which failed operations; None means any. By default those that wait for a person."""

    operation_type: str | None = None
    reason: str | None = None
    operation_name: str | None = None
    resolved: bool | None = False
    since: datetime | None = None
    before: datetime | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """As conditions of a query; ``since`` and ``before`` are about the newest failure."""
        wanted: list[ColumnElement[bool]] = []
        if self.operation_type is not None:
            wanted.append(Row.operation_type == self.operation_type)
        if self.reason is not None:
            wanted.append(Row.reason == self.reason)
        if self.operation_name is not None:
            wanted.append(Row.operation_name == self.operation_name)
        if self.resolved is not None:
            wanted.append(Row.resolved_at.is_not(None) if self.resolved else Row.resolved_at.is_(None))
        if self.since is not None:
            wanted.append(Row.last_failed_at >= self.since)
        if self.before is not None:
            wanted.append(Row.last_failed_at < self.before)
        return wanted


class Cursor(NamedTuple):
    """The last row of a page; ``str`` and ``parse`` turn it into text and back."""

    created_at: datetime
    id: UUID

    def __str__(self) -> str:
        return f"{self.created_at.isoformat()}_{self.id}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ``BadCursorError``."""
        moment, _, row_id = text.partition("_")
        try:
            created_at = datetime.fromisoformat(moment)
            if created_at.tzinfo is None:
                raise BadCursorError(f"{text!r} is no place in this list")
            return cls(created_at, UUID(row_id))
        except ValueError:
            raise BadCursorError(f"{text!r} is no place in this list") from None


class Page(NamedTuple):
    """Some rows, the newest first, without their data and stacks; ``next`` is where the page after them begins, if there is one."""

    rows: Sequence[FailedOperation]
    next: Cursor | None


def list_operations(session: Session, filters: Filters, *, limit: int = 50, after: Cursor | None = None) -> Page:
    """One page of the matching failed operations."""
    query = select(Row).where(*filters.conditions()).order_by(Row.created_at.desc(), Row.id.desc()).limit(limit + 1)
    query = query.options(defer(Row.event_data, raiseload=True), defer(Row.error_stack, raiseload=True))
    if after is not None:
        query = query.where(tuple_(Row.created_at, Row.id) < tuple_(after.created_at, after.id))
    found = session.scalars(query).all()
    rows = found[:limit]
    return Page(rows, Cursor(rows[-1].created_at, rows[-1].id) if len(found) > limit else None)


def count_operations(session: Session, filters: Filters) -> int:
    """How many match."""
    return session.execute(select(func.count()).select_from(Row).where(*filters.conditions())).scalar_one()


def matching_ids(session: Session, filters: Filters, *, limit: int) -> list[UUID]:
    """The ids of those that match, the oldest first."""
    return list(session.scalars(select(Row.id).where(*filters.conditions()).order_by(Row.created_at, Row.id).limit(limit)))


def ids_beginning_with(session: Session, beginning: str) -> list[UUID]:
    """At most two ids that begin so: enough to know whether the beginning names one operation."""
    return list(session.scalars(select(Row.id).where(cast(Row.id, Text).startswith(beginning.lower(), autoescape=True)).limit(2)))
