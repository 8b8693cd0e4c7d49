"""``opsgenie``: an alert through the Alert API v2 (``OPSGENIE_API_KEY``), closed when it is over."""

from __future__ import annotations

from urllib.parse import quote

from settings import Settings
from tasks.alert_posting import post_alert
from tasks.alerts import Announcement, Channel, register

PRIORITIES = {"critical": "P1", "error": "P2", "warning": "P3", "info": "P5"}
LONGEST_MESSAGE = 130


def tell(alert: Announcement, settings: Settings) -> None:
    """Create or close; the alias makes a second delivery of the same news the same alert."""
    if settings.opsgenie_api_key is None:
        return
    alias = f"redrive/{alert.key}"
    headers = {"Authorization": f"GenieKey {settings.opsgenie_api_key.get_secret_value()}"}
    if alert.over:
        url = f"{settings.opsgenie_api_url}/v2/alerts/{quote(alias, safe='')}/close?identifierType=alias"
        post_alert(url, {"source": "Redrive", "note": "It is over."}, headers=headers)
        return
    body = {
        "message": alert.summary[:LONGEST_MESSAGE],
        "alias": alias,
        "description": f"{alert.summary}\n{alert.page_url}",
        "tags": [alert.kind, alert.level],
        "entity": alert.shop,
        "source": "Redrive",
        "priority": PRIORITIES[alert.level],
    }
    post_alert(f"{settings.opsgenie_api_url}/v2/alerts", body, headers=headers)


OPSGENIE = register(Channel("opsgenie", lambda settings: settings.opsgenie_api_key is not None, tell))
