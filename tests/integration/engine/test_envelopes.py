"""A message from the mould is the message that Celery itself would send."""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from settings import Settings
from tasks.celery_app import app
from tasks.envelope import Message, encode
from tasks.publishing import publish, redis_client

# Left out on purpose: no result is ever replied to, and the worker's own limits count, not those of the release that published.
LEFT_OUT = {"reply_to": "", "timelimit": [None, None]}
CHANGING = {"id", "root_id", "correlation_id", "delivery_tag"}


@pytest.fixture(scope="module", autouse=True)
def _everything_loaded() -> None:
    app.loader.import_default_modules()


def _settled(element: str | bytes) -> dict[str, Any]:
    """The element with its body decoded, and without what differs for every message or is left out on purpose."""
    message: dict[str, Any] = json.loads(element)
    message["body"] = json.loads(base64.b64decode(message["body"]))
    for part in (message["headers"], message["properties"]):
        for name in CHANGING & part.keys():
            assert len(part[name]) == 36
            part[name] = "..."
        part.update({name: nothing for name, nothing in LEFT_OUT.items() if name in part})
    return message


@pytest.mark.parametrize("name", ["tasks.process_stripe_webhook", "tasks.send_purchase_email", "tasks.canary"])
@pytest.mark.parametrize("arguments", [(), (str(uuid4()),), (str(uuid4()), "2")])
def test_a_moulded_message_equals_what_apply_async_pushes(
    app_settings: Settings, redis_url: str, monkeypatch: pytest.MonkeyPatch, name: str, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setattr(app.tasks[name], "typing", False)  # any arguments do
    app.tasks[name].apply_async(arguments, queue="compared")
    celerys = _settled(redis_client(timeout_seconds=2).rpop("compared"))  # type: ignore[arg-type]
    assert _settled(encode(Message(name, arguments, "compared"))) == celerys


@given(argument=st.text())
@example(argument='" \\ % %(id)s @id@ ü \n')
def test_any_argument_arrives_as_it_is(argument: str) -> None:
    message = _settled(encode(Message("tasks.canary", (argument,), "q")))
    assert message["body"][0] == [argument]
    assert isinstance(message["headers"]["argsrepr"], str)


def test_every_message_has_ids_of_its_own_which_agree_with_each_other() -> None:
    one, other = (json.loads(encode(Message("tasks.canary", (), "q"))) for _ in range(2))
    assert one["headers"]["id"] == one["headers"]["root_id"] == one["properties"]["correlation_id"]
    assert one["headers"]["id"] != other["headers"]["id"]
    assert one["properties"]["delivery_tag"] != other["properties"]["delivery_tag"]


def test_messages_of_a_queue_keep_their_order(app_settings: Settings, redis_url: str) -> None:
    publish([Message("tasks.canary", (str(number),), "ordered") for number in range(20)])
    client = redis_client(timeout_seconds=2)
    taken = [_settled(client.rpop("ordered"))["body"][0][0] for _ in range(20)]  # type: ignore[arg-type]
    assert taken == [str(number) for number in range(20)]
