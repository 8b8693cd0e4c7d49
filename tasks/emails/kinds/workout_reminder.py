"""``workout_reminder``: a nudge before a workout."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import HttpUrl

from tasks.emails import EmailKind, register
from tasks.emails.parameters import Line, Link, Moment, Name, Parameters, TimeZone


class WorkoutReminder(Parameters):
    """A workout that is near; ``lead_time`` says how near, in words such as "1 hour"."""

    name: Name | None = None
    title: Line
    starts_at: Moment
    time_zone: TimeZone
    lead_time: Line
    link: Link | None = None


WORKOUT_REMINDER = register(
    EmailKind(
        name="workout_reminder",
        subject="In {{ lead_time }}: {{ title }}",
        retries=3,
        sample=WorkoutReminder(
            name="Annie Easley",
            title="Intervals, 5 times 800 m",
            starts_at=datetime(2026, 11, 12, 15, 0, tzinfo=UTC),
            time_zone="Europe/Berlin",
            lead_time="1 hour",
            link=HttpUrl("https://shop.example.com/workouts/311"),
        ),
    )
)
