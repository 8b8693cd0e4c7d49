"""How alerts reach somebody else's server: one JSON request with short timeouts, its errors translated once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests

from tasks.errors import RedriveError

TIMEOUT_SECONDS = (3, 5)  # to connect, and for the answer


class AlertNotTaken(RedriveError):  # noqa: N818 - what happened, in the words of the others
    """The channel did not take the alert; it is told again later."""


def post_alert(url: str, body: Any, *, headers: Mapping[str, str] | None = None) -> None:
    """Send it; raises ``AlertNotTaken``, without the address, which for Slack is a secret."""
    try:
        answer = requests.post(url, json=body, headers=dict(headers or {}), timeout=TIMEOUT_SECONDS, allow_redirects=False)
    except requests.RequestException as error:
        raise AlertNotTaken(f"no answer: {type(error).__name__}") from None
    if not 200 <= answer.status_code < 300:  # noqa: PLR2004 - HTTP's own numbers
        raise AlertNotTaken(f"answered {answer.status_code}")
