"""``WORKOUT``: an hour before a workout."""

from __future__ import annotations

from datetime import timedelta

from models.dated_entities import to_be_reminded
from tasks.reminders import ReminderSource, register

HOUR_BEFORE = register(
    ReminderSource(
        entity_type="WORKOUT",
        reminder_type="1h",
        lead=timedelta(hours=1),
        late_limit=timedelta(minutes=55),
        email="workout_reminder",
        due=to_be_reminded("WORKOUT"),
    )
)
