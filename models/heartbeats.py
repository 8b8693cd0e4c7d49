"""``heartbeats``: when each scheduled task last succeeded."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.schema import Json, Table


class Heartbeat(Table):
    """One scheduled task; ``detail`` is what its last run reported."""

    __tablename__ = "heartbeats"

    name: Mapped[str] = mapped_column(primary_key=True)
    last_success_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    detail: Mapped[Json] = mapped_column(server_default=text("'{}'"))


def beat(session: Session, name: str, detail: Json) -> None:
    """Write that the task has just succeeded."""
    statement = insert(Heartbeat).values(name=name, detail=detail)
    fresh = {"last_success_at": text("now()"), "detail": statement.excluded.detail}
    session.execute(statement.on_conflict_do_update(index_elements=[Heartbeat.name], set_=fresh))


def last_success(session: Session, name: str) -> datetime | None:
    """When the task last succeeded; None if it never did."""
    return session.execute(select(Heartbeat.last_success_at).where(Heartbeat.name == name)).scalar_one_or_none()
