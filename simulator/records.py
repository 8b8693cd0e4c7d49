"""What the simulator hands back: accepted mails, made events and the counts that prove nothing happened twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class AcceptedEmail:
    """One mail that the simulated Resend took; html and text are None when bodies are not kept."""

    seq: int
    id: str
    idempotency_key: str | None
    dedupe: str | None
    sender: str
    to: list[str]
    subject: str
    html: str | None
    text: str | None
    headers: dict[str, str]
    tags: list[dict[str, str]]
    reply_to: str | list[str] | None
    accepted_at: float
    last_event: str
    batch_index: int | None

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> Self:
        """``from`` is a word of Python's own, hence ``sender``."""
        values = dict(content)
        return cls(sender=values.pop("from"), **values)


@dataclass(frozen=True)
class Summary:
    """Counts for "nothing twice": both maps of duplicates are empty when no mail was accepted a second time."""

    accepted: int
    requests: int
    distinct_dedupe_headers: int
    without_dedupe_header: int
    duplicate_keys: dict[str, int]
    duplicate_dedupe_headers: dict[str, int]


@dataclass(frozen=True)
class MadeEvent:
    """One event of a provider; ``state`` is pending, delivered, withheld (never sent on purpose) or abandoned.

    Each attempt has ``at``, ``status`` (None without an answer), ``error`` and ``duration_ms``.
    """

    seq: int
    id: str
    type: str
    created: float
    state: str
    attempts: list[dict[str, Any]]
    event: dict[str, Any]
