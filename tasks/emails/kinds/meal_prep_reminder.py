"""``meal_prep_reminder``: a nudge before a meal is to be prepared."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import HttpUrl

from tasks.emails import EmailKind, register
from tasks.emails.parameters import Line, Link, Moment, Name, Parameters, TimeZone


class MealPrepReminder(Parameters):
    """A meal that is to be prepared; ``lead_time`` says how near, in words such as "24 hours"."""

    name: Name | None = None
    title: Line
    starts_at: Moment
    time_zone: TimeZone
    lead_time: Line
    link: Link | None = None


MEAL_PREP_REMINDER = register(
    EmailKind(
        name="meal_prep_reminder",
        subject="In {{ lead_time }}: prepare {{ title }}",
        retries=3,
        sample=MealPrepReminder(
            name="Mary Jackson",
            title="Lentil curry for four",
            starts_at=datetime(2026, 11, 12, 15, 0, tzinfo=UTC),
            time_zone="Europe/Berlin",
            lead_time="24 hours",
            link=HttpUrl("https://shop.example.com/meals/77"),
        ),
    )
)
