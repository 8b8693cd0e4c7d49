"""The examples of docs/how-to/enqueue-from-any-language.md do what it says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import psycopg

from tests.notifications_api import NotificationsApi

GUIDE = (Path(__file__).parents[3] / "docs/how-to/enqueue-from-any-language.md").read_text()
Shop = psycopg.Connection[dict[str, Any]]


def test_the_sql_example_queues_one_email_in_the_callers_transaction(shop: Shop) -> None:
    match = re.search(r"```sql\n(BEGIN;.*?)```", GUIDE, re.DOTALL)
    assert match
    shop.execute("CREATE TEMPORARY TABLE orders (id int, buyer text)")
    for _ in range(2):
        shop.execute(match[1].encode())
    [row] = shop.execute("SELECT notification_type, recipient_email, payload, dedupe_key FROM notifications").fetchall()
    assert row == {
        "notification_type": "welcome",
        "recipient_email": "ada@example.com",
        "payload": {"name": "Ada"},
        "dedupe_key": "welcome/4711",
    }


def test_the_call_of_every_driver_is_the_same_and_works(shop: Shop) -> None:
    calls = re.findall(r"SELECT queue_notification\((?:\$1|\?), (?:\$2|\?), (?:\$3|\?)::jsonb, (?:\$4|\?)\)", GUIDE)
    assert len(calls) == 4
    shop.execute("SELECT queue_notification(%s, %s, %s::jsonb, %s)", ("welcome", "ada@example.com", '{"name": "Ada"}', "welcome/4711"))


def test_the_http_example_is_taken(api: NotificationsApi) -> None:
    match = re.search(r"-d '(\{.*?\})'\n", GUIDE)
    assert match
    assert [api.queue(json.loads(match[1]), key="welcome/4711").status_code for _ in range(2)] == [202, 200]
