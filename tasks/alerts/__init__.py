"""Whom to tell when something is wrong: the registry of the channels; each channel is one file on this shelf."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from settings import Settings


@dataclass(frozen=True)
class Announcement:
    """What a channel tells people: ``level`` is info, warning, error or critical, ``key`` stays the same until it is over."""

    key: str
    kind: str
    level: str
    summary: str
    opened_at: datetime
    over: bool
    shop: str
    page_url: str


@dataclass(frozen=True)
class Channel:
    """One way to reach people: used where ``configured`` says so; ``tell`` raises ``AlertNotTaken`` if they were not reached."""

    name: str
    configured: Callable[[Settings], bool]
    tell: Callable[[Announcement, Settings], None]


_channels: dict[str, Channel] = {}


def register(channel: Channel) -> Channel:
    """Put the channel on the shelf; called once in each file."""
    if channel.name in _channels:
        raise ValueError(f"the channel {channel.name} is registered twice")
    _channels[channel.name] = channel
    return channel


def forget(name: str) -> None:
    """Take a channel off the shelf."""
    del _channels[name]


def channels(settings: Settings) -> list[Channel]:
    """Those that are configured; the log alone when nobody else is."""
    ready = [_channels[name] for name in sorted(_channels) if _channels[name].configured(settings)]
    return [channel for channel in ready if channel.name != "log"] or ready
