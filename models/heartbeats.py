"""``heartbeats``: when each scheduled task last succeeded."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.schema import Json, Table


class Heartbeat(Table):
    """One scheduled task; ``detail`` is what its last run reported, ``last_success_at`` is NULL until one succeeded."""

    __tablename__ = "heartbeats"

    name: Mapped[str] = mapped_column(primary_key=True)
    last_success_at: Mapped[datetime | None] = mapped_column(server_default=text("now()"))
    detail: Mapped[Json] = mapped_column(server_default=text("'{}'"))
    expected_since: Mapped[datetime] = mapped_column(server_default=text("now()"))


def beat(session: Session, name: str, detail: Json) -> None:
    """Write that the task has just succeeded."""
    statement = insert(Heartbeat).values(name=name, detail=detail)
    fresh = {"last_success_at": text("now()"), "detail": statement.excluded.detail}
    session.execute(statement.on_conflict_do_update(index_elements=[Heartbeat.name], set_=fresh))


def note_trouble(session: Session, name: str, error: str) -> None:
    """Write that the task was tried and failed, beside what is known of its last success; the next success forgets it."""
    statement = insert(Heartbeat).values(name=name, last_success_at=None, detail={"error": error})
    fresh = {"detail": Heartbeat.detail.op("||")(statement.excluded.detail)}
    session.execute(statement.on_conflict_do_update(index_elements=[Heartbeat.name], set_=fresh))


def last_success(session: Session, name: str) -> datetime | None:
    """When the task last succeeded; None if it never did."""
    return session.execute(select(Heartbeat.last_success_at).where(Heartbeat.name == name)).scalar_one_or_none()


def expect(session: Session, names: Collection[str]) -> None:
    """Remember since when each of these is expected, so that one which never succeeds is missed too."""
    known = set(session.execute(select(Heartbeat.name).where(Heartbeat.name.in_(names))).scalars())
    missing = [{"name": name, "last_success_at": None} for name in sorted(set(names) - known)]
    if missing:
        session.execute(insert(Heartbeat).values(missing).on_conflict_do_nothing())


def heartbeats(session: Session) -> dict[str, Heartbeat]:
    """All of them by name."""
    return {row.name: row for row in session.execute(select(Heartbeat).order_by(Heartbeat.name)).scalars()}
