"""``MEETING``: a day and an hour before a meeting."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select

from models.meetings import Meeting
from models.users import User
from tasks.reminders import ReminderSource, register

PAYLOAD = func.jsonb_build_object(
    *("name", User.name, "title", Meeting.title, "starts_at", Meeting.scheduled_at),
    *("time_zone", User.time_zone, "join_url", Meeting.join_url),
)
SCHEDULED = (
    select(
        Meeting.id.label("entity_id"),
        Meeting.user_id,
        User.email.label("recipient_email"),
        Meeting.scheduled_at,
        PAYLOAD.label("payload"),
    )
    .join(User, User.id == Meeting.user_id)
    .where(Meeting.status == "scheduled")
)

DAY_BEFORE = register(
    ReminderSource(
        entity_type="MEETING",
        reminder_type="24h",
        lead=timedelta(hours=24),
        late_limit=timedelta(hours=12),
        email="meeting_reminder",
        due=SCHEDULED,
    )
)
HOUR_BEFORE = register(
    ReminderSource(
        entity_type="MEETING",
        reminder_type="1h",
        lead=timedelta(hours=1),
        late_limit=timedelta(minutes=55),
        email="meeting_reminder",
        due=SCHEDULED,
    )
)
