"""``users``: the people whom the shop knows, with the time zone in which they read times."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Mapped, mapped_column

from models.schema import CreatedAt, PrimaryKey, Table


class User(Table):
    """One person; ``email`` is unique whatever its case, ``time_zone`` an IANA name."""

    __tablename__ = "users"

    id: Mapped[PrimaryKey]
    email: Mapped[str]
    name: Mapped[str | None]
    time_zone: Mapped[str] = mapped_column(server_default=text("'UTC'"))
    created_at: Mapped[CreatedAt]
