"""How emails write numbers, money, days and times: the filters of the templates."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time
from babel.numbers import format_currency, format_decimal

LOCALE = "en_US"

# How many digits of an amount stand behind the point in Stripe's API; two for every other currency. ISK and UGX have none in daily
# life, yet the API counts them in hundredths.
ZERO_DECIMALS = frozenset(["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"])
THREE_DECIMALS = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])

LOOKS_LIKE_AN_ADDRESS = re.compile(r"://|\bwww\.|@|\.[^\W\d_]{2,}", re.IGNORECASE)


def money(amount: int, currency: str) -> str:
    """An amount in minor units as people read it: 14900 usd is $149.00, 500 jpy is ¥500."""
    code = currency.upper()
    digits = 0 if code.lower() in ZERO_DECIMALS else 3 if code.lower() in THREE_DECIMALS else 2
    text = format_currency(Decimal(amount).scaleb(-digits), code, locale=LOCALE)
    return text.replace(code, f"{code}\N{NO-BREAK SPACE}")  # a currency without a sign of its own


def number(value: int) -> str:
    """A count with separators of thousands."""
    return format_decimal(value, locale=LOCALE)


def day(moment: datetime, time_zone: str) -> str:
    """Thursday, November 12, 2026."""
    return format_date(_local(moment, time_zone), "EEEE, MMMM d, y", locale=LOCALE)


def clock(moment: datetime, time_zone: str) -> str:
    """9:00 AM CST."""
    local = _local(moment, time_zone)
    return f"{_hour(local)} {_zone(local)}"


def clock_range(start: datetime, end: datetime, time_zone: str) -> str:
    """9:00 to 9:45 AM CST, with both days when the end is on another one."""
    first, last = _local(start, time_zone), _local(end, time_zone)
    if first.date() != last.date():
        return f"{clock(start, time_zone)} to {clock(end, time_zone)} on {day(end, time_zone)}"
    return f"{_hour(first)} to {clock(end, time_zone)}"


def moment(value: datetime, time_zone: str) -> str:
    """November 12, 2026, 9:00 AM CST."""
    return f"{format_date(_local(value, time_zone), 'MMMM d, y', locale=LOCALE)}, {clock(value, time_zone)}"


def minutes(count: int) -> str:
    """15 minutes, 1 hour, 2 days."""
    for size, unit in ((1440, "day"), (60, "hour")):
        if count and count % size == 0:
            return _counted(count // size, unit)
    return _counted(count, "minute")


def greeting(name: str | None) -> str:
    """Hello Ada, or only Hello.

    Whoever signs somebody else up may choose the name: one that mail clients would turn into a link is left out.
    """
    return "Hello," if not name or LOOKS_LIKE_AN_ADDRESS.search(name) else f"Hello {name[:80]},"


def _counted(count: int, unit: str) -> str:
    return f"{number(count)} {unit}{'' if count == 1 else 's'}"


def _local(moment: datetime, time_zone: str) -> datetime:
    return moment.astimezone(ZoneInfo(time_zone))


def _hour(local: datetime) -> str:
    return format_time(local, "h:mm\N{NO-BREAK SPACE}a", locale=LOCALE)


def _zone(local: datetime) -> str:
    """CST or CET where the zone has letters, else the distance from UTC."""
    name = local.tzname() or "UTC"
    return f"UTC{name}" if name[:1] in "+-" else name
