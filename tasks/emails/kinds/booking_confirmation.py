"""``booking_confirmation``: when and where somebody is expected."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import HttpUrl

from tasks.emails import EmailKind, register
from tasks.emails.parameters import Line, Link, Moment, Name, Parameters, TimeZone


class BookingConfirmation(Parameters):
    """A booking; its times are shown in ``time_zone``."""

    name: Name | None = None
    title: Line
    starts_at: Moment
    ends_at: Moment
    time_zone: TimeZone
    location: Name | None = None
    manage_url: Link | None = None


BOOKING_CONFIRMATION = register(
    EmailKind(
        name="booking_confirmation",
        subject="Booked: {{ title }}, {{ starts_at | day(time_zone) }}",
        retries=3,
        sample=BookingConfirmation(
            name="Mary Jackson",
            title="Strategy call",
            starts_at=datetime(2026, 11, 12, 15, 0, tzinfo=UTC),
            ends_at=datetime(2026, 11, 12, 15, 45, tzinfo=UTC),
            time_zone="America/Chicago",
            location="12 Congress Avenue, Austin",
            manage_url=HttpUrl("https://shop.example.com/bookings/4821"),
        ),
    )
)
