"""``alerts``: what people are told when something is wrong, once when it begins and once when it is over."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.schema import Json, PrimaryKey, Table

LONGEST_PAUSE_MINUTES = 60


class Alert(Table):
    """One trouble; ``key`` names it, and at most one alert with that key is open.

    ``told`` says which channel was told last that it ``opened`` or ``closed``; ``tell_at`` is NULL when all of them know.
    """

    __tablename__ = "alerts"

    id: Mapped[PrimaryKey]
    kind: Mapped[str]
    key: Mapped[str]
    level: Mapped[str]
    summary: Mapped[str]
    opened_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    closed_at: Mapped[datetime | None]
    told: Mapped[Json] = mapped_column(server_default=text("'{}'"))
    tries: Mapped[int] = mapped_column(server_default=text("0"))
    tell_at: Mapped[datetime | None] = mapped_column(server_default=text("now()"))

    @property
    def news(self) -> str:
        """What everybody should know of it now."""
        return "closed" if self.closed_at else "opened"


def open_alert(session: Session, *, kind: str, key: str, level: str, summary: str) -> bool:
    """Open the alert unless it is open already: True for the one process that was first."""
    statement = insert(Alert).values(kind=kind, key=key, level=level, summary=summary)
    statement = statement.on_conflict_do_nothing(index_elements=[Alert.key], index_where=Alert.closed_at.is_(None))
    return session.execute(statement.returning(Alert.id)).one_or_none() is not None


def close_alerts(session: Session, prefix: str, *, still: Collection[str]) -> int:
    """Close the open alerts whose keys begin with ``prefix``, except those that are still true; returns how many."""
    over = update(Alert).where(Alert.closed_at.is_(None), func.starts_with(Alert.key, prefix), Alert.key.not_in(still))
    closed = session.execute(over.values(closed_at=func.now(), tell_at=func.now(), tries=0).returning(Alert.id))
    return len(closed.all())


def open_alerts(session: Session) -> list[Alert]:
    """What is wrong now, the oldest first."""
    return list(session.execute(select(Alert).where(Alert.closed_at.is_(None)).order_by(Alert.opened_at)).scalars())


def next_untold(session: Session) -> Alert | None:
    """An alert that somebody must still be told of, held for this transaction; None if there is none that nobody else holds."""
    waiting = select(Alert).where(Alert.tell_at <= func.now()).order_by(Alert.tell_at).limit(1)
    return session.execute(waiting.with_for_update(skip_locked=True)).scalar_one_or_none()


def note_told(session: Session, alert: Alert, told: dict[str, str], *, everybody: bool) -> None:
    """Write down who knows; if not everybody, try again after 1, 2, 3, … minutes, at most an hour."""
    pause = timedelta(minutes=min(alert.tries + 1, LONGEST_PAUSE_MINUTES))
    values = {"told": told, "tries": alert.tries + 1, "tell_at": None if everybody else func.now() + pause}
    session.execute(update(Alert).where(Alert.id == alert.id).values(**values))
