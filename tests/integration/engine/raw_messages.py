"""Messages as anybody with the broker's password could push them, whole or broken."""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import uuid4

from tasks.publishing import redis_client

WHOLE_BODY = json.dumps([[], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}])


def push(
    name: str | None, *, body: str | bytes = WHOLE_BODY, queue: str = "webhooks", without: tuple[str, ...] = (), **headers: Any
) -> str:
    """Push one message for the task ``name``; returns its task id."""
    task_id = str(uuid4())
    known = {"lang": "py", "task": name, "id": task_id, "retries": 0, "timelimit": [None, None], "eta": None, "expires": None}
    message = {
        "body": base64.b64encode(body.encode() if isinstance(body, str) else body).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {name: value for name, value in (known | headers).items() if name not in without},
        "properties": {
            "correlation_id": task_id,
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": queue},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": str(uuid4()),
        },
    }
    redis_client(timeout_seconds=2).lpush(queue, json.dumps(message))
    return task_id


def broker_is_empty() -> bool:
    """Whether no message waits in a queue or is held by a worker."""
    client = redis_client(timeout_seconds=2)
    return not any(client.exists(key) for key in ("webhooks", "emails", "sweeps", "celery", "unacked"))


def waiting_for(queue: str) -> list[str]:
    """The rows that the messages in the queue are about, in the order in which workers take them."""
    elements = redis_client(timeout_seconds=2).lrange(queue, 0, -1)
    calls = [json.loads(base64.b64decode(json.loads(element)["body"])) for element in reversed(elements)]
    return [arguments[0] for arguments, *_ in calls]
