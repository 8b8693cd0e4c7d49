"""The HTTP client under the Resend SDK: pooled connections, short timeouts, and the difference between not sent and not answered."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import Any

import requests
import resend
from requests.utils import get_environ_proxies
from urllib3.exceptions import MaxRetryError, NewConnectionError

TIMEOUT_SECONDS = (3.05, 10)  # to connect, and between two packets of the answer; the SDK's own 30 s would outlast a task


class NeverConnectedError(Exception):
    """There was no connection, so the provider cannot have seen the request."""


class Observer:
    """Is told of every answer and of every silence; this one does nothing about them."""

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        """The provider answered."""

    def fell_silent(self) -> None:
        """The connection failed, was cut, or timed out."""


class PooledClient(resend.HTTPClient):
    """One ``requests.Session`` for each thread of each process.

    The SDK's own client opens a new TLS connection for every mail, which costs 2 ms of CPU and three round trips; a session that
    is shared over a fork would mix two processes' answers.
    """

    def __init__(self, observer: Observer | None = None) -> None:
        self._local = threading.local()
        self._observer = observer or Observer()

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        json: dict[str, object] | list[object] | None = None,
        files: dict[str, Any] | None = None,
        data: dict[str, str] | bytes | None = None,
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """The answer, whatever its status; raises if there is none. ``data`` in bytes is a body that was encoded before."""
        session = self._session(url)
        if isinstance(data, bytes):
            headers = {**headers, "Content-Type": "application/json"}
        try:
            response = session.request(
                method.upper(), url, headers=headers, json=json, files=files, data=data, timeout=TIMEOUT_SECONDS, allow_redirects=False
            )
        except requests.RequestException as error:
            self._observer.fell_silent()
            if _never_connected(error):
                raise NeverConnectedError(type(error).__name__) from error
            raise
        self._observer.answered(response.status_code, response.headers)
        return response.content, response.status_code, response.headers

    def _session(self, url: str) -> requests.Session:
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.pid, self._local.session = os.getpid(), _new_session(url)
        session: requests.Session = self._local.session
        return session


def _new_session(url: str) -> requests.Session:
    """What the environment says about proxies and certificates is read once; a ``.netrc`` must not replace the API key."""
    session = requests.Session()
    session.trust_env = False
    session.proxies.update(get_environ_proxies(url))
    session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
    return session


def _never_connected(error: requests.RequestException) -> bool:
    if isinstance(error, requests.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)
