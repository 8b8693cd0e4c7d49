"""``CHECKIN``: a day before a check-in; a weekly one comes round again by itself."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from models.dated_entities import move_weekly_on, to_be_reminded
from tasks.reminders import ReminderSource, register

WEEKLY = register(
    ReminderSource(
        entity_type="CHECKIN",
        reminder_type="weekly",
        lead=timedelta(hours=24),
        late_limit=timedelta(hours=12),
        email="checkin_reminder",
        due=to_be_reminded("CHECKIN"),
        prepare=partial(move_weekly_on, entity_type="CHECKIN"),
    )
)
