"""Every request to a provider with its outcome: exact counts, and the newest ones in full."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import asdict, dataclass
from typing import Any

from aiohttp import web

NEWEST_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """``outcome`` is ``accepted``, ``replayed``, ``ok``, an error's name, or the scripted fault (``cut``, ``cut after taking``, …)."""

    at: float
    method: str
    path: str
    status: int
    outcome: str
    duration_ms: float
    idempotency_key: str | None = None
    recipients: tuple[str, ...] = ()
    mails: int = 0


class RequestLog:
    """A bounded ring; the counts are of everything since the start or the last reset."""

    def __init__(self) -> None:
        self._newest: deque[LoggedRequest] = deque(maxlen=NEWEST_KEPT)
        self._outcomes: Counter[str] = Counter()
        self._paths: Counter[str] = Counter()

    def note(self, request: web.Request, path: str, status: int, started: float, at: float) -> None:
        """Log an answered request; what its handler left in it, ``outcome`` first of all, tells how it went."""
        entry = LoggedRequest(
            at=at,
            method=request.method,
            path=path,
            status=status,
            outcome=request.get("outcome", "ok"),
            duration_ms=round((time.perf_counter() - started) * 1000, 3),
            idempotency_key=request.headers.get("Idempotency-Key"),
            recipients=tuple(request.get("recipients", ())),
            mails=request.get("mails", 0),
        )
        self._newest.append(entry)
        self._outcomes[entry.outcome] += 1
        self._paths[f"{entry.method} {entry.path}"] += 1

    def clear(self) -> None:
        self._newest.clear()
        self._outcomes.clear()
        self._paths.clear()

    def shown(self, *, limit: int = 1000) -> dict[str, Any]:
        newest = list(self._newest)[-limit:] if limit else []
        return {
            "total": sum(self._outcomes.values()),
            "outcomes": dict(self._outcomes),
            "paths": dict(self._paths),
            "requests": [asdict(entry) for entry in newest],
        }
