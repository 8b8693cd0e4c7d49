"""Removing addresses and secrets from whatever is about to be written where many can read it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import SecretStr
from structlog.typing import EventDict, WrappedLogger

from settings import Settings, secrets_in

ADDRESS = re.compile(r"(?!(?:celery|celerybeat|gen\d+)@)(?<![\w.%+'-])[\w.%+'-]+@[\w-]+(?:\.[\w-]+)*\.[^\W\d_]{2,}", re.UNICODE)
SECRETS = re.compile(
    r"""
    whsec_[\w+/=-]+                        # signing secrets of Stripe and Resend
    | \b(?:sk|rk)_(?:live|test)_\w+        # Stripe's keys
    | \bre_[A-Za-z0-9]{6,}_[A-Za-z0-9]{8,} # Resend's keys; a Stripe refund has no second underscore
    | (?<=://)[^\s/@]*:[^\s/@]+(?=@)       # user and password in a URL
    | (?<=Bearer\ )\S+
    """,
    re.VERBOSE,
)
TELLING_NAMES = re.compile(r"password|secret|token$|authorization|api_key", re.IGNORECASE)
SHORTEST_SECRET = 8
DEEPEST = 8


class Redactor:
    """Replaces what looks like an address or a secret, and the secrets that this process is known to have."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        parts = sorted({re.escape(secret) for secret in known if len(secret) >= SHORTEST_SECRET}, key=len, reverse=True)
        self._known = re.compile("|".join(parts)) if parts else None

    @classmethod
    def knowing(cls, settings: Settings) -> Self:
        """A redactor that also knows every secret of these settings."""
        values = [value for value in dict(settings).values() if isinstance(value, SecretStr)]
        passwords = [urlsplit(url).password or "" for url in (settings.postgres_dsn, settings.redis_url)]
        return cls([secret for value in values for secret in secrets_in(value)] + passwords)

    def text(self, text: str) -> str:
        """The text without them."""
        if self._known is not None:
            text = self._known.sub("[secret]", text)
        text = SECRETS.sub("[secret]", text) if "_" in text or ":" in text or "Bearer" in text else text
        return ADDRESS.sub("[address]", text) if "@" in text else text

    def value(self, value: Any, *, depth: int = 0) -> Any:
        """The same in everything that a value holds."""
        if isinstance(value, str):
            return self.text(value)
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if depth > DEEPEST:
            return "..."
        if isinstance(value, dict):
            return {self.text(str(key)): self._named(str(key), item, depth) for key, item in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.value(item, depth=depth + 1) for item in value]
        return self.text(str(value))

    def entry(self, _logger: WrappedLogger, _method: str, entry: EventDict) -> EventDict:
        """As a structlog processor."""
        return {name: value if name.startswith("_") else self._named(name, value, 0) for name, value in entry.items()}

    def _named(self, name: str, value: Any, depth: int) -> Any:
        if isinstance(value, str) and TELLING_NAMES.search(name):
            return "[secret]"
        return self.value(value, depth=depth + 1)
