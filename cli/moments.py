"""Moments on the command line: how a person names one, and how one is shown."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import click

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Moment(click.ParamType[datetime]):
    """A date, a date with a time (UTC unless it names a zone), or how long ago: 90m, 12h, 7d, 2w."""

    name = "when"

    def convert(self, value: str | datetime, _parameter: click.Parameter | None, _context: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        now = datetime.now(UTC)
        if ago := re.fullmatch(r"(\d{1,4})([mhdw])", value):
            return now - timedelta(**{UNITS[ago[2]]: int(ago[1])})
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise click.BadParameter(f"{value!r} is neither a date such as 2026-11-20 nor a time ago such as 12h or 7d") from None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if moment > now:
            raise click.BadParameter(f"{value} has not come yet")
        return moment


def ago(time: timedelta) -> str:
    """How long ago, in words."""
    minutes = max(0, int(time.total_seconds() // 60))
    if minutes < 90:  # noqa: PLR2004 - an hour and a half
        return f"{minutes} min ago"
    hours = minutes // 60
    return f"{hours} h ago" if hours < 48 else f"{hours // 24} d ago"  # noqa: PLR2004 - two days


def utc(moment: datetime) -> str:
    """A moment in full."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
