"""One run: send and break for a while, wait for quiet, redrive what ran out of retries, and judge."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from local.chaos.injection import Chaos
from local.chaos.report import FaultTable, result_table
from local.chaos.sender import Sender, webhook_url
from local.chaos.stage import Stage, stage
from local.chaos.story import Story, write_story
from local.chaos.verdict import judge, lost
from local.ledger_checks import Violation, unfinished
from models.connection import transaction
from models.failed_operation_lists import Filters
from settings import get_settings, secrets_in
from tasks.redriving import redrive_matching

LONGEST_QUIET_SECONDS = 420
REPEATABLE = ("retries_exhausted", "poison", "worker_lost", "time_limit")  # the others are refusals, which a repetition does not change

Show = Callable[[str, float, str], None]
"""What is being done, how far it is in seconds of the run, and the newest figures."""


@dataclass(frozen=True)
class Options:
    """How long, how many deliveries a second, which story, and whether with short times."""

    seconds: int
    rate: int
    seed: int
    hurry: bool


@dataclass(frozen=True)
class Outcome:
    """What a run found; no violations are the proof."""

    tables: list[Table]
    violations: list[Violation]


async def run(options: Options, folder: Path, show: Show) -> Outcome:
    """A whole run on servers of its own in ``folder``; raises ``LocalServerError`` if they do not start."""
    chance = random.Random(options.seed)  # noqa: S311 - a story, not a secret
    async with stage(folder, hurry=options.hurry) as built:
        with transaction() as session:
            story = write_story(session, chance, deliveries=options.seconds * options.rate, seconds=options.seconds)
        settings = get_settings()
        sender = Sender(
            story.deliveries, webhook_url(settings.public_url), secrets_in(settings.stripe_webhook_secret)[0], seed=options.seed
        )
        chaos = Chaos(built, chance)
        sender.start()
        await _rage(chaos, sender, options.seconds, show)
        await _wait_for_quiet(sender, show, options.seconds)
        if _redrive():
            await _wait_for_quiet(sender, show, options.seconds)
        outcome = _judge(options, built, story, sender, chaos)
    late = Violation("every process ends within 25 s of its SIGTERM", built.slow_to_stop)
    return Outcome(outcome.tables, [*outcome.violations, *([late] if late.rows else [])])


async def _rage(chaos: Chaos, sender: Sender, seconds: float, show: Show) -> None:
    begun = time.monotonic()
    raging = asyncio.create_task(chaos.rage(seconds))
    while not raging.done():
        news = f"{len(sender.records.accepted)} events accepted, {len(chaos.injected)} faults"
        show("Breaking things", min(time.monotonic() - begun, seconds), news)
        await asyncio.wait({raging}, timeout=0.5)
    await raging


async def _wait_for_quiet(sender: Sender, show: Show, seconds: float) -> None:
    """Until the sender has got rid of everything and nothing is left to do, but not for ever: what is left is judged."""
    deadline = time.monotonic() + LONGEST_QUIET_SECONDS
    while time.monotonic() < deadline:
        left = sender.total - sender.records.deliveries_done + await asyncio.to_thread(_unfinished)
        show("Waiting for quiet", seconds, f"{left} left")
        if not left:
            return
        await asyncio.sleep(0.5)
    sender.give_up()
    await asyncio.to_thread(sender.join, 15)


def _unfinished() -> int:
    with transaction() as session:
        return unfinished(session)


def _redrive() -> int:
    """As a person would who has read them: ``redrive failed retry --all-matching --reason …``; returns how many."""
    return sum(len(redrive_matching(Filters(reason=reason), limit=10_000, actor="chaos").redriven) for reason in REPEATABLE)


def _judge(options: Options, built: Stage, story: Story, sender: Sender, chaos: Chaos) -> Outcome:
    records = sender.records
    with transaction() as session:
        found = judge(session, built.mail, story, records)
        faults = FaultTable(session, records.accepted.values())
        result = result_table(session, built.mail, story, records, title=f"Chaos, {options.seconds} s, seed {options.seed}")
        summary = built.mail.summary()
    for waits in faults.waits:
        built.say("chaos", f"longest waits: {', '.join(f'{seconds:.1f} s {row}' for seconds, row in waits[:5])}")
    longest = (f"{waits[0][0] if waits else 0:.1f} s" for waits in faults.waits)
    result.add_row("longest wait of an accepted event, of an email", ", ".join(longest))
    result.add_row("duplicates", str(len(summary.duplicate_keys) + len(summary.duplicate_dedupe_headers)))
    result.add_row("lost", str(lost(found)))
    return Outcome([result, faults.table(chaos.injected)], found)
