"""The pooled HTTP client under the Resend SDK."""

from __future__ import annotations

import threading

import pytest
import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError

from tasks.mail.resend_client import PooledClient, _never_connected

URL = "http://127.0.0.1:1"


def test_a_thread_keeps_its_session_and_shares_it_with_nobody() -> None:
    client = PooledClient()
    mine = client._session(URL)
    assert client._session(URL) is mine
    others: list[requests.Session] = []
    thread = threading.Thread(target=lambda: others.append(client._session(URL)))
    thread.start()
    thread.join()
    assert others[0] is not mine


def test_a_forked_child_does_not_use_its_parents_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    client = PooledClient()
    parents = client._session(URL)
    monkeypatch.setattr("tasks.mail.resend_client.os.getpid", lambda: -1)
    assert client._session(URL) is not parents


def test_only_a_failure_to_connect_means_that_nothing_was_sent() -> None:
    refused = requests.ConnectionError(MaxRetryError(None, URL, NewConnectionError(None, "refused")))  # type: ignore[arg-type]
    cut = requests.ConnectionError(ProtocolError("Connection aborted."))
    assert _never_connected(refused)
    assert _never_connected(requests.ConnectTimeout())
    assert not _never_connected(cut)
    assert not _never_connected(requests.ConnectionError())
