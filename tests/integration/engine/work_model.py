"""What a work row promises, said a second time in plain Python with a clock of its own, to compare PostgreSQL with."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from uuid import UUID

from models.work import MAX_CRASHES, SWEEP_AGAIN, Claim

LEASE, GRACE = 60.0, 10.0


@dataclass
class ModelRow:
    """One row; times are seconds of the model's clock."""

    id: UUID
    due_at: float
    sweep_at: float
    status: str = "pending"
    attempts: int = 0
    crashes: int = 0
    token: int = 0
    redrives: int = 0
    holder: str | None = None
    lease_ends_at: float | None = None
    locked: bool = False
    claims: int = 0

    @property
    def unfinished(self) -> bool:
        return self.status in {"pending", "running"}

    def free(self, now: float) -> bool:
        """Whether nobody holds a lease that still runs."""
        return self.status == "pending" or (self.status == "running" and (self.lease_ends_at or 0) <= now)

    def claimable(self, now: float) -> bool:
        return self.free(now) and self.crashes < MAX_CRASHES and (self.status == "running" or self.due_at <= now)

    def overdue(self, now: float) -> bool:
        return self.unfinished and self.sweep_at <= now and self.crashes < MAX_CRASHES

    def poisonous(self, now: float) -> bool:
        return self.status == "running" and self.free(now) and self.sweep_at <= now and self.crashes >= MAX_CRASHES

    def newest(self, claim: Claim) -> bool:
        return self.status == "running" and self.token == claim.token

    def claim(self, now: float, holder: str) -> None:
        self.status, self.holder = "running", holder
        self.attempts, self.crashes, self.token, self.claims = self.attempts + 1, self.crashes + 1, self.token + 1, self.claims + 1
        self.lease_ends_at = self.sweep_at = now + LEASE

    def end(self, status: str) -> None:
        self.status, self.crashes, self.holder, self.lease_ends_at = status, 0, None, None

    def wait(self, now: float, delay: float, *, counted: bool) -> None:
        self.end("pending")
        self.due_at = now + delay
        self.sweep_at = now + delay + (GRACE if counted else 0)
        self.attempts -= 0 if counted else 1

    def give_up(self) -> None:
        self.status, self.holder, self.lease_ends_at, self.token = "failed", None, None, self.token + 1

    def redrive(self, now: float) -> None:
        self.status, self.attempts, self.crashes, self.claims, self.redrives = "pending", 0, 0, 0, self.redrives + 1
        self.due_at = self.sweep_at = now


@dataclass
class Model:
    """All rows, and what time it is: the time that has really passed, and what was added to it."""

    added: float = 0
    began: float = field(default_factory=time.monotonic)
    rows: dict[UUID, ModelRow] = field(default_factory=dict)

    @property
    def now(self) -> float:
        return self.added + time.monotonic() - self.began

    def swept(self, row_ids: list[UUID]) -> None:
        for row_id in row_ids:
            self.rows[row_id].sweep_at = self.now + SWEEP_AGAIN.total_seconds()
