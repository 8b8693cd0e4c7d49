"""Celery messages in bulk: Celery's own builder makes one per task as a mould, and each message only fills in what differs.

``apply_async`` costs 0.5 ms of CPU, nearly all of it building the same dictionary again; a filled mould costs 0.01 ms and is the
same message to Flower, ``celery inspect`` and the worker (a test compares the two key by key).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple
from uuid import uuid4

import orjson

from tasks.celery_app import app

TASK_ID, TAG, BODY, ARGUMENTS = "@id@", "@tag@", "@body@", "@arguments@"
EMBED = json.dumps({"callbacks": None, "errbacks": None, "chain": None, "chord": None})


class Message(NamedTuple):
    """One call of one task: what to run, with which ids, in which lane, and whether before all that waits there."""

    task: str
    arguments: tuple[str, ...]
    queue: str
    urgent: bool = False


def encode(message: Message) -> str:
    """The element that kombu's Redis transport would push for this call, with a fresh task id."""
    arguments = orjson.dumps(message.arguments).decode()
    return _mould(message.task, message.queue) % {
        "id": uuid4(),
        "tag": uuid4(),
        "body": base64.b64encode(f"[{arguments}, {{}}, {EMBED}]".encode()).decode(),
        "arguments": orjson.dumps(repr(message.arguments)).decode()[1:-1],
    }


def encode_all(messages: Sequence[Message]) -> dict[tuple[str, bool], list[str]]:
    """Encoded messages by queue and urgency, in the order given."""
    lanes: dict[tuple[str, bool], list[str]] = {}
    for message in messages:
        lanes.setdefault((message.queue, message.urgent), []).append(encode(message))
    return lanes


@cache
def _mould(task: str, queue: str) -> str:
    built = app.amqp.as_task_v2(TASK_ID, task, argsrepr=ARGUMENTS, kwargsrepr="{}", ignore_result=True)
    properties = {
        **built.properties,
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": queue},
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": TAG,
    }
    mould = json.dumps(
        {
            "body": BODY,
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": built.headers,
            "properties": properties,
        }
    )
    return re.sub("@(id|tag|body|arguments)@", r"%(\1)s", mould.replace("%", "%%"))
