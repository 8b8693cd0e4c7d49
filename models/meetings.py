"""``meetings``: who meets when; a moved meeting is the same row with another ``scheduled_at``."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, text
from sqlalchemy.orm import Mapped, mapped_column

from models.schema import CreatedAt, PrimaryKey, Table


class Meeting(Table):
    """One meeting of one person; ``status`` is ``scheduled``, ``completed`` or ``cancelled``."""

    __tablename__ = "meetings"

    id: Mapped[PrimaryKey]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    title: Mapped[str]
    scheduled_at: Mapped[datetime]
    status: Mapped[str] = mapped_column(server_default=text("'scheduled'"))
    join_url: Mapped[str | None]
    created_at: Mapped[CreatedAt]
