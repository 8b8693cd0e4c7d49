"""``dated_entities``: everything else that has a date and a person, such as check-ins, workouts and meal preparation."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Select, func, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.schema import CreatedAt, PrimaryKey, Table
from models.users import User

MOVED_AT_ONCE = 10_000


class DatedEntity(Table):
    """One thing to be done at ``scheduled_at``; a ``weekly`` one moves on by itself when its time has passed."""

    __tablename__ = "dated_entities"

    id: Mapped[PrimaryKey]
    entity_type: Mapped[str]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    title: Mapped[str]
    scheduled_at: Mapped[datetime]
    status: Mapped[str] = mapped_column(server_default=text("'scheduled'"))
    weekly: Mapped[bool] = mapped_column(server_default=text("false"))
    link_url: Mapped[str | None]
    created_at: Mapped[CreatedAt]


def to_be_reminded(entity_type: str) -> Select[tuple[UUID, UUID, str, datetime, object]]:
    """What is scheduled of this type, in the columns that a reminder source needs."""
    payload = func.jsonb_build_object(
        *("name", User.name, "title", DatedEntity.title, "starts_at", DatedEntity.scheduled_at),
        *("time_zone", User.time_zone, "link", DatedEntity.link_url),
    )
    return (
        select(
            DatedEntity.id.label("entity_id"),
            DatedEntity.user_id,
            User.email.label("recipient_email"),
            DatedEntity.scheduled_at,
            payload.label("payload"),
        )
        .join(User, User.id == DatedEntity.user_id)
        .where(DatedEntity.entity_type == entity_type, DatedEntity.status == "scheduled")
    )


def move_weekly_on(session: Session, entity_type: str) -> int:
    """Move what has passed to its next week, at the same hour of its person's clock; returns how many were moved."""
    moved = 0
    while found := len(session.execute(_MOVE_ON, {"entity_type": entity_type, "batch": MOVED_AT_ONCE}).all()):
        moved += found
    return moved


# Weeks are counted on the local clock, so that 9:00 stays 9:00 when clocks change. An unknown time zone counts as UTC rather than
# stopping everybody else's.
_MOVE_ON = text("""
    WITH passed AS (
        SELECT e.id, e.scheduled_at, coalesce(zone.name, 'UTC') AS zone
        FROM dated_entities e JOIN users u ON u.id = e.user_id LEFT JOIN pg_timezone_names zone ON zone.name = u.time_zone
        WHERE e.entity_type = :entity_type AND e.status = 'scheduled' AND e.scheduled_at <= now() AND e.weekly
        LIMIT :batch FOR UPDATE OF e SKIP LOCKED
    ), on_the_clock AS (
        SELECT id, zone, scheduled_at AT TIME ZONE zone AS at, now() AT TIME ZONE zone AS now FROM passed
    )
    UPDATE dated_entities e
    SET scheduled_at = (c.at + make_interval(weeks => 1 + floor(greatest(extract(epoch FROM c.now - c.at), 0) / 604800)::int))
        AT TIME ZONE c.zone
    FROM on_the_clock c WHERE e.id = c.id
    RETURNING e.id
""")
