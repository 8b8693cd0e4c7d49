"""``failed_operations``: the dead-letter table, where work that cannot succeed waits for a person."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.schema import CreatedAt, Json, PrimaryKey, Table
from models.storable import storable


class FailedOperation(Table):
    """One operation (``email``, ``webhook`` or ``job``) that failed for good; at most one unresolved row each.

    ``event_data`` holds the original event or notification, ``reason`` why it ended here, ``retry_count`` how often people
    redrove it, ``needs_confirmation`` whether redriving may repeat something that already happened.
    """

    __tablename__ = "failed_operations"

    id: Mapped[PrimaryKey]
    operation_type: Mapped[str]
    operation_id: Mapped[UUID]
    operation_name: Mapped[str]
    reason: Mapped[str]
    task_id: Mapped[str | None]
    event_data: Mapped[Json] = mapped_column(server_default=text("'{}'"))
    error_type: Mapped[str]
    error_message: Mapped[str]
    error_stack: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    occurrences: Mapped[int] = mapped_column(server_default=text("1"))
    needs_confirmation: Mapped[bool] = mapped_column(server_default=text("false"))
    retry_count: Mapped[int] = mapped_column(server_default=text("0"))
    last_retry_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    last_failed_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    resolved_at: Mapped[datetime | None]
    resolved_by: Mapped[str | None]
    resolution_note: Mapped[str | None]
    erased_at: Mapped[datetime | None]


def record_failure(session: Session, failure: dict[str, object]) -> UUID:
    """Insert the row, or count one more occurrence on the unresolved row of the same operation; returns its id.

    ``task_failure`` fires twice for a hard time limit (celery/celery#10226), so the same task id changes nothing. Whatever a
    stranger's message or error holds is made storable: a failure that could not be written would be a lost one.
    """
    values = {name: storable(value) if isinstance(value, (str, dict)) else value for name, value in failure.items()}
    statement = insert(FailedOperation).values(**values)
    fresh = statement.excluded
    row = FailedOperation
    statement = statement.on_conflict_do_update(
        index_elements=[row.operation_type, row.operation_id],
        index_where=row.resolved_at.is_(None),
        set_={
            "occurrences": row.occurrences + text("(failed_operations.task_id IS DISTINCT FROM excluded.task_id)::int"),
            "last_failed_at": text("now()"),
            "reason": fresh.reason,
            "task_id": fresh.task_id,
            "error_type": fresh.error_type,
            "error_message": fresh.error_message,
            "error_stack": text("coalesce(excluded.error_stack, failed_operations.error_stack)"),
            "attempts": fresh.attempts,
            "needs_confirmation": fresh.needs_confirmation,
        },
    )
    return session.execute(statement.returning(row.id)).scalar_one()


def resolve_operation(session: Session, operation_type: str, operation_id: UUID, *, by: str, note: str | None) -> bool:
    """Resolve the unresolved row of this operation, if there is one; True if it was."""
    row = FailedOperation
    resolved = session.execute(
        update(row)
        .where(row.operation_type == operation_type, row.operation_id == operation_id, row.resolved_at.is_(None))
        .values(resolved_at=text("now()"), resolved_by=by, resolution_note=note)
        .returning(row.id)
    )
    return resolved.one_or_none() is not None
