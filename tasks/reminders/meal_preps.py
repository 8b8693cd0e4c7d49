"""``MEAL_PREP``: a day before a meal is prepared, in time to go shopping."""

from __future__ import annotations

from datetime import timedelta

from models.dated_entities import to_be_reminded
from tasks.reminders import ReminderSource, register

DAY_BEFORE = register(
    ReminderSource(
        entity_type="MEAL_PREP",
        reminder_type="1d",
        lead=timedelta(hours=24),
        late_limit=timedelta(hours=12),
        email="meal_prep_reminder",
        due=to_be_reminded("MEAL_PREP"),
    )
)
