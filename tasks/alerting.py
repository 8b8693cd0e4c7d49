"""Telling people: every open or closed alert goes to every configured channel once; a channel that is away is told later."""

from __future__ import annotations

import structlog

from models.alerts import Alert, next_untold, note_told
from models.connection import transaction
from settings import Settings, get_settings
from tasks import alerts
from tasks.alert_posting import AlertNotTaken
from tasks.alerts import Announcement, Channel, channels
from tasks.shelves import fill

log = structlog.get_logger()

fill(alerts)


def tell_everybody() -> int:
    """Tell what has not been told; returns how many alerts were handled.

    The row is held meanwhile, so that of all the processes that look, one speaks. A process that dies between speaking and writing
    it down lets another repeat it, which PagerDuty and Opsgenie recognise by its key.
    """
    handled = 0
    while True:
        with transaction() as session:
            alert = next_untold(session)
            if alert is None:
                return handled
            told, everybody = _tell(alert, get_settings())
            note_told(session, alert, told, everybody=everybody)
        handled += 1


def _tell(alert: Alert, settings: Settings) -> tuple[dict[str, str], bool]:
    told, everybody = dict(alert.told), True
    for channel in channels(settings):
        unheard = alert.news == "closed" and channel.name not in told  # what it never heard of need not end for it
        if told.get(channel.name) == alert.news or unheard:
            continue
        if _told(channel, alert, settings):
            told[channel.name] = alert.news
        else:
            everybody = False
    return told, everybody


def _told(channel: Channel, alert: Alert, settings: Settings) -> bool:
    announcement = Announcement(
        key=alert.key,
        kind=alert.kind,
        level=alert.level,
        summary=alert.summary,
        opened_at=alert.opened_at,
        over=alert.closed_at is not None,
        shop=settings.shop_name,
        page_url=f"{settings.public_url}/admin/operations-health",
    )
    try:
        channel.tell(announcement, settings)
    except AlertNotTaken as error:
        log.warning("alert.not_taken", channel=channel.name, key=alert.key, error=str(error))
        return False
    return True
