"""``users``: the people whom the shop knows, with the time zone in which they read times."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.schema import CreatedAt, PrimaryKey, Table


class User(Table):
    """One person; ``email`` is unique whatever its case, ``time_zone`` an IANA name."""

    __tablename__ = "users"

    id: Mapped[PrimaryKey]
    email: Mapped[str]
    name: Mapped[str | None]
    time_zone: Mapped[str] = mapped_column(server_default=text("'UTC'"))
    created_at: Mapped[CreatedAt]


def find_or_add_user(session: Session, *, email: str, name: str | None) -> tuple[UUID, bool]:
    """The id of the user with this address, and whether the row is new; two at once get the same one."""
    added = session.execute(
        insert(User).values(email=email, name=name).on_conflict_do_nothing(index_elements=[func.lower(User.email)]).returning(User.id)
    ).scalar_one_or_none()
    if added is not None:
        return added, True
    return session.execute(select(User.id).where(func.lower(User.email) == func.lower(email))).scalar_one(), False
