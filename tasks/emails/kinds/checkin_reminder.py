"""``checkin_reminder``: a nudge before a check-in."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import HttpUrl

from tasks.emails import EmailKind, register
from tasks.emails.parameters import Line, Link, Moment, Name, Parameters, TimeZone


class CheckinReminder(Parameters):
    """A check-in that is near; ``lead_time`` says how near, in words such as "24 hours"."""

    name: Name | None = None
    title: Line
    starts_at: Moment
    time_zone: TimeZone
    lead_time: Line
    link: Link | None = None


CHECKIN_REMINDER = register(
    EmailKind(
        name="checkin_reminder",
        subject="In {{ lead_time }}: {{ title }}",
        retries=3,
        sample=CheckinReminder(
            name="Christine Darden",
            title="Weekly check-in",
            starts_at=datetime(2026, 11, 12, 15, 0, tzinfo=UTC),
            time_zone="Europe/Berlin",
            lead_time="24 hours",
            link=HttpUrl("https://shop.example.com/checkins/4821"),
        ),
    )
)
