"""``suppressions``: addresses that must not be mailed, because they bounced for good or complained."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Boolean, ColumnElement, SQLColumnExpression, func, literal, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.schema import CreatedAt, PrimaryKey, Table


class Suppression(Table):
    """One address (lower case, or hashed where its owner asked to be forgotten) and why; ``lifted_at`` is an operator's override."""

    __tablename__ = "suppressions"

    id: Mapped[PrimaryKey]
    email: Mapped[str] = mapped_column(unique=True)
    reason: Mapped[str]
    webhook_event_id: Mapped[UUID | None]
    created_at: Mapped[CreatedAt]
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[str | None]


def suppressed(email: SQLColumnExpression[str]) -> ColumnElement[bool]:
    """The condition that mail to this address must not be sent (case does not matter), for use in a query."""
    return func.is_suppressed(email, type_=Boolean)


def is_suppressed(session: Session, email: str) -> bool:
    """Whether mail to this address must not be sent."""
    return bool(session.execute(select(suppressed(literal(email)))).scalar_one())


def suppress(session: Session, email: str, *, reason: str, at: datetime, webhook_event_id: UUID | None = None) -> None:
    """Send nothing to this address from now on.

    An operator who lifted a suppression knew of what had happened until then, so only what happened later brings it back.
    """
    row = Suppression
    address = func.lower(func.btrim(email))
    statement = insert(row).values(email=address, reason=reason, webhook_event_id=webhook_event_id, created_at=at)
    fresh = {"reason": reason, "webhook_event_id": webhook_event_id, "created_at": at, "lifted_at": None, "lifted_by": None}
    session.execute(statement.on_conflict_do_update(index_elements=[row.email], set_=fresh, where=row.lifted_at < at))


def lift(session: Session, email: str, *, by: str) -> bool:
    """An operator's override: mail to this address may be sent again; False if it was not suppressed."""
    lifted = session.execute(
        update(Suppression)
        .where(text("email = ANY (suppression_keys(:email))").bindparams(email=email), Suppression.lifted_at.is_(None))
        .values(lifted_at=func.now(), lifted_by=by)
        .returning(Suppression.id),
        execution_options={"synchronize_session": False},
    )
    return bool(lifted.all())


def suppressions(session: Session, *, limit: int, also_lifted: bool = False) -> Sequence[Suppression]:
    """The newest suppressions."""
    query = select(Suppression).order_by(Suppression.created_at.desc()).limit(limit)
    return session.scalars(query if also_lifted else query.where(Suppression.lifted_at.is_(None))).all()
