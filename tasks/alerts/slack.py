"""``slack``: a message through an incoming webhook (``SLACK_WEBHOOK_URL``)."""

from __future__ import annotations

from settings import Settings
from tasks.alert_posting import post_alert
from tasks.alerts import Announcement, Channel, register

SIGNS = {"info": ":information_source:", "warning": ":warning:", "error": ":red_circle:", "critical": ":rotating_light:"}
SPECIAL = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})  # the only three that Slack reads as markup of its own


def tell(alert: Announcement, settings: Settings) -> None:
    """One line with the sign of its level, and below it where to look."""
    if settings.slack_webhook_url is None:
        return
    headline = f":white_check_mark: *Over:* {_plain(alert.summary)}" if alert.over else f"{SIGNS[alert.level]} {_plain(alert.summary)}"
    context = f"{_plain(alert.shop)} · {alert.kind} · {alert.level} · <{alert.page_url}|operations health>"
    body = {
        "text": headline,
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": headline}},
            {"type": "context", "elements": [{"type": "mrkdwn", "text": context}]},
        ],
    }
    post_alert(settings.slack_webhook_url.get_secret_value(), body)


def _plain(text: str) -> str:
    return text.translate(SPECIAL)


SLACK = register(Channel("slack", lambda settings: settings.slack_webhook_url is not None, tell))
