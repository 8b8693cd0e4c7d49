"""``meeting_reminder``: a nudge some time before a meeting."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import HttpUrl

from tasks.emails import EmailKind, register
from tasks.emails.parameters import Line, Link, Moment, Name, Parameters, TimeZone


class MeetingReminder(Parameters):
    """A meeting that is near; ``lead_time`` says how near, in words such as "1 hour"."""

    name: Name | None = None
    title: Line
    starts_at: Moment
    time_zone: TimeZone
    lead_time: Line
    join_url: Link | None = None


MEETING_REMINDER = register(
    EmailKind(
        name="meeting_reminder",
        subject="In {{ lead_time }}: {{ title }}",
        retries=3,
        sample=MeetingReminder(
            name="Dorothy Vaughan",
            title="Quarterly review",
            starts_at=datetime(2026, 11, 12, 15, 0, tzinfo=UTC),
            time_zone="Europe/Berlin",
            lead_time="1 hour",
            join_url=HttpUrl("https://meet.example.com/quarterly-review"),
        ),
    )
)
