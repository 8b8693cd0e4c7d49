"""Answers kept under the idempotency key of the request that caused them, for 24 hours of the simulated clock."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

from simulator.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

KEPT_SECONDS = 24 * 60 * 60


class KeyInFlight(Exception):
    """Another request with this key has not been answered yet."""


class KeyReused(Exception):
    """The key was used before with another body."""


@dataclass(frozen=True)
class Kept:
    """The first answer under a key."""

    status: int
    body: bytes


def fingerprint(*parts: bytes) -> bytes:
    digest = blake2b(digest_size=16)
    for part in parts:
        digest.update(part + b"\x00")
    return digest.digest()


class KeyRing:
    """The keys of one provider."""

    def __init__(self, provider: str, store: Store, now: Callable[[], float]) -> None:
        self._provider = provider
        self._store = store
        self._now = now
        self._in_flight: set[str] = set()

    @contextmanager
    def hold(self, key: str) -> Iterator[None]:
        """While one request holds a key, another with the same key is refused."""
        if key in self._in_flight:
            raise KeyInFlight
        self._in_flight.add(key)
        try:
            yield
        finally:
            self._in_flight.discard(key)

    def answer_for(self, key: str, print_: bytes) -> Kept | None:
        """The kept answer to the same request; raises ``KeyReused`` for another one."""
        row = self._store.row(
            "SELECT fingerprint, status, body FROM idempotency_keys WHERE provider = ? AND key = ? AND expires_at > ?",
            (self._provider, key, self._now()),
        )
        if row is None:
            return None
        if row["fingerprint"] != print_:
            raise KeyReused
        return Kept(row["status"], row["body"])

    def keep(self, key: str, print_: bytes, status: int, body: bytes) -> None:
        self._store.run(
            "INSERT OR REPLACE INTO idempotency_keys VALUES (?, ?, ?, ?, ?, ?)",
            (self._provider, key, print_, status, body, self._now() + KEPT_SECONDS),
        )
