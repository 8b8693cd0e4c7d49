"""Answers kept under the idempotency key of the request that caused them, for 24 hours of the simulated clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b

from simulator.store import Store

KEPT_SECONDS = 24 * 60 * 60


class KeyInFlightError(Exception):
    """Another request with this key has not been answered yet."""


class KeyReusedError(Exception):
    """The key was used before with another body."""


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
            raise KeyInFlightError
        self._in_flight.add(key)
        try:
            yield
        finally:
            self._in_flight.discard(key)

    def once(self, key: str, print_: bytes, answer: Callable[[], bytes]) -> tuple[bytes, bool]:
        """The first answer to this request, and whether it is a replay; ``answer`` is called, and kept, only for a new key."""
        row = self._store.row(
            "SELECT fingerprint, body FROM idempotency_keys WHERE provider = ? AND key = ? AND expires_at > ?",
            (self._provider, key, self._now()),
        )
        if row is not None and row["fingerprint"] != print_:
            raise KeyReusedError
        if row is not None:
            return row["body"], True
        body = answer()
        self._store.run(
            "INSERT OR REPLACE INTO idempotency_keys VALUES (?, ?, ?, ?, ?)",
            (self._provider, key, print_, body, self._now() + KEPT_SECONDS),
        )
        return body, False
