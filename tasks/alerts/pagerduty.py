"""``pagerduty``: an incident through the Events API v2 (``PAGERDUTY_ROUTING_KEY``), resolved when it is over."""

from __future__ import annotations

from settings import Settings
from tasks.alert_posting import post_alert
from tasks.alerts import Announcement, Channel, register

LONGEST_SUMMARY = 1024


def tell(alert: Announcement, settings: Settings) -> None:
    """Trigger or resolve; the key makes a second delivery of the same news the same incident."""
    if settings.pagerduty_routing_key is None:
        return
    event = {
        "routing_key": settings.pagerduty_routing_key.get_secret_value(),
        "event_action": "resolve" if alert.over else "trigger",
        "dedup_key": f"redrive/{alert.key}",
        "client": "Redrive",
        "client_url": alert.page_url,
        "payload": {
            "summary": alert.summary[:LONGEST_SUMMARY],
            "source": alert.shop,
            "severity": alert.level,  # PagerDuty has the same four
            "timestamp": alert.opened_at.isoformat(),
            "class": alert.kind,
        },
    }
    post_alert(f"{settings.pagerduty_api_url}/v2/enqueue", event)


PAGERDUTY = register(Channel("pagerduty", lambda settings: settings.pagerduty_routing_key is not None, tell))
