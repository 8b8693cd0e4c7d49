"""Each channel says it as its API documents, to a server on loopback."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from settings import Settings
from tasks import alerting
from tasks.alert_posting import AlertNotTaken
from tasks.alerts import Announcement, channels
from tests.receiver import Receiver

SILENT = Settings.from_environment({"DATABASE_URL": "postgres://localhost/x", "REDIS_URL": "redis://localhost"})
ALERT = Announcement(
    key="late-task/tasks.sweep_reminders",
    kind="system_health",
    level="critical",
    summary="tasks.sweep_reminders is late & <alone>",
    opened_at=datetime(2026, 11, 3, 17, 42, tzinfo=UTC),
    over=False,
    shop="Demo Shop",
    page_url="https://shop.example.com/admin/operations-health",
)
OVER = Announcement(**{**ALERT.__dict__, "over": True})


@pytest.fixture
def settings(receiver: Receiver) -> Settings:
    """Every channel is configured, and each leads to the receiver."""
    return SILENT.model_copy(
        update={
            "slack_webhook_url": SecretStr(f"{receiver.url}/services/T0/B0/secret"),
            "pagerduty_routing_key": SecretStr("routing-key"),
            "pagerduty_api_url": receiver.url,
            "opsgenie_api_key": SecretStr("genie-key"),
            "opsgenie_api_url": receiver.url,
        }
    )


def told(name: str, alert: Announcement, settings: Settings, receiver: Receiver) -> tuple[str, dict[str, str], Any]:
    [channel] = [channel for channel in channels(settings) if channel.name == name]
    channel.tell(alert, settings)
    [delivery] = receiver.deliveries
    return delivery.path, delivery.headers, json.loads(delivery.body)


def test_slack_shows_the_level_the_sentence_and_where_to_look(settings: Settings, receiver: Receiver) -> None:
    path, _, body = told("slack", ALERT, settings, receiver)
    assert path == "/services/T0/B0/secret"
    assert body["text"] == ":rotating_light: tasks.sweep_reminders is late &amp; &lt;alone&gt;"
    assert "<https://shop.example.com/admin/operations-health|operations health>" in body["blocks"][1]["elements"][0]["text"]


def test_slack_says_when_it_is_over(settings: Settings, receiver: Receiver) -> None:
    assert told("slack", OVER, settings, receiver)[2]["text"].startswith(":white_check_mark: *Over:* ")


@pytest.mark.parametrize(("alert", "action"), [(ALERT, "trigger"), (OVER, "resolve")])
def test_pagerduty_gets_one_incident_for_each_key(settings: Settings, receiver: Receiver, alert: Announcement, action: str) -> None:
    path, _, body = told("pagerduty", alert, settings, receiver)
    assert path == "/v2/enqueue"
    assert (body["routing_key"], body["event_action"]) == ("routing-key", action)
    assert body["dedup_key"] == "redrive/late-task/tasks.sweep_reminders"
    assert body["payload"]["severity"] == "critical"
    assert body["payload"]["source"] == "Demo Shop"
    assert body["payload"]["timestamp"] == "2026-11-03T17:42:00+00:00"


def test_opsgenie_creates_an_alert_with_an_alias(settings: Settings, receiver: Receiver) -> None:
    path, headers, body = told("opsgenie", ALERT, settings, receiver)
    assert (path, headers["Authorization"]) == ("/v2/alerts", "GenieKey genie-key")
    assert (body["alias"], body["priority"], body["tags"]) == (
        "redrive/late-task/tasks.sweep_reminders",
        "P1",
        ["system_health", "critical"],
    )
    assert len(body["message"]) <= 130


def test_opsgenie_closes_it_by_that_alias(settings: Settings, receiver: Receiver) -> None:
    path, headers, _ = told("opsgenie", OVER, settings, receiver)
    assert path == "/v2/alerts/redrive%2Flate-task%2Ftasks.sweep_reminders/close?identifierType=alias"
    assert headers["Authorization"] == "GenieKey genie-key"


@pytest.mark.parametrize("status", [302, 400, 429, 500])
@pytest.mark.parametrize("name", ["slack", "pagerduty", "opsgenie"])
def test_a_channel_that_does_not_take_it_says_so_without_its_secret(settings: Settings, receiver: Receiver, name: str, status: int) -> None:
    receiver.answers[:] = [status]
    with pytest.raises(AlertNotTaken, match=f"answered {status}") as raised:
        told(name, ALERT, settings, receiver)
    assert "secret" not in str(raised.value)


def test_a_channel_that_cannot_be_reached_says_so_without_its_secret(settings: Settings) -> None:
    nowhere = settings.model_copy(update={"slack_webhook_url": SecretStr("http://127.0.0.1:9/secret")})
    [slack] = [channel for channel in channels(nowhere) if channel.name == "slack"]
    with pytest.raises(AlertNotTaken, match="ConnectionError") as raised:
        slack.tell(ALERT, nowhere)
    assert "secret" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_the_log_alone_is_used_when_nobody_else_is_configured(settings: Settings) -> None:
    assert [channel.name for channel in channels(SILENT)] == ["log"]
    assert [channel.name for channel in channels(settings)] == ["opsgenie", "pagerduty", "slack"]
    for alert in (ALERT, OVER):
        channels(SILENT)[0].tell(alert, SILENT)


def test_nothing_to_tell_is_nothing_told(app_settings: Settings) -> None:
    assert alerting.tell_everybody() == 0
