"""Breaks things at random moments, and remembers when and what it interrupted."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

import psycopg

from local.chaos.faults import FAULTS, Fault
from local.chaos.stage import Stage

MEAN_PAUSE_SECONDS = 3.5
RUNNING = "SELECT id FROM webhook_events WHERE status = 'running' UNION ALL SELECT id FROM notifications WHERE status = 'running'"


@dataclass
class Injected:
    """One fault: what was broken, from when until when (wall clock), and the rows that were being worked on."""

    kind: str
    begun_at: float
    ended_at: float = 0.0
    interrupted: list[UUID] = field(default_factory=list)


class Chaos:
    """Injects faults; at most one at a time for each thing that can be broken."""

    def __init__(
        self, stage: Stage, chance: random.Random, *, faults: Mapping[str, Fault] = FAULTS, mean_pause_seconds: float = MEAN_PAUSE_SECONDS
    ) -> None:
        self._stage, self._chance = stage, chance
        self._faults, self._mean_pause_seconds = faults, mean_pause_seconds
        self._busy: set[str] = set()
        self.injected: list[Injected] = []

    async def rage(self, seconds: float) -> None:
        """Break things for so long, then wait until the last of them is whole again."""
        deadline = time.monotonic() + seconds
        async with asyncio.TaskGroup() as running:
            while (left := deadline - time.monotonic()) > 0:
                await asyncio.sleep(min(self._chance.expovariate(1 / self._mean_pause_seconds), left))
                name, fault = self._draw()
                if time.monotonic() < deadline and not fault.touches & self._busy:
                    self._busy |= fault.touches
                    running.create_task(self._inject(name, fault))
        self._stage.script_mail()

    def _draw(self) -> tuple[str, Fault]:
        names = list(self._faults)
        name = self._chance.choices(names, [self._faults[each].weight for each in names])[0]
        return name, self._faults[name]

    async def _inject(self, name: str, fault: Fault) -> None:
        interrupted = await asyncio.to_thread(self._being_worked_on)
        record = Injected(name, time.time(), interrupted=interrupted)
        self.injected.append(record)
        self._stage.say("chaos", f"{name}: begins; {len(interrupted)} rows are being worked on")
        await fault.act(self._stage, self._chance)
        record.ended_at = time.time()
        self._stage.say("chaos", f"{name}: over after {record.ended_at - record.begun_at:.1f} s")
        self._busy -= fault.touches

    def _being_worked_on(self) -> list[UUID]:
        """Nothing, if another fault keeps the database from saying."""
        options = "-c statement_timeout=500 -c redrive.role=service"
        try:
            with psycopg.connect(self._stage.postgres.url, connect_timeout=2, options=options) as connection:
                return [row[0] for row in connection.execute(RUNNING)]
        except psycopg.Error:
            return []
