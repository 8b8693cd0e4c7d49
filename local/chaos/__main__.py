"""``python -m local.chaos``: one bounded run; exit status 1 if a promise does not hold."""

from __future__ import annotations

import asyncio
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from local.chaos.faults import Chaos
from local.chaos.report import fault_table, recoveries, result_table
from local.chaos.sender import Sender, webhook_url
from local.chaos.stage import stage
from local.chaos.story import write_story
from local.chaos.verdict import judge
from local.errors import LocalServerError
from local.ledger_checks import Violation, unfinished
from models.connection import transaction
from settings import get_settings, secrets_in

LONGEST_QUIET_SECONDS = 300
LOST = ("is stored", "in the end", "for ever", "as its story tells", "mails that are due", "failed operation")


@click.command()
@click.option("--seconds", type=click.IntRange(5, 3600), default=180, show_default=True, help="How long events are sent and things break.")
@click.option("--seed", type=int, default=None, help="Plays the same story and draws the same faults; without it one is made up.")
@click.option("--rate", type=click.IntRange(1, 500), default=25, show_default=True, help="Deliveries a second.")
@click.option("--hurry", is_flag=True, help="Short leases and sweeps, so that recoveries collide more often.")
@click.option("--keep", is_flag=True, help="Keep the words of all processes also when all is well.")
def main(*, seconds: int, seed: int | None, rate: int, hurry: bool, keep: bool) -> None:
    """Send events while workers, web, Beat, Redis, PostgreSQL and the mail server are broken at random; then check every row."""
    seed = seed if seed is not None else random.SystemRandom().randrange(10_000)
    console, folder = Console(), Path(tempfile.mkdtemp(prefix="redrive-chaos-"))
    console.print(f"[bold]Chaos[/bold] for {seconds} s at {rate} deliveries a second, seed {seed}: make chaos ARGS='--seed {seed}'")
    try:
        found = asyncio.run(_run(console, folder, seconds=seconds, seed=seed, rate=rate, hurry=hurry))
    except LocalServerError as error:
        sys.exit(str(error))
    for violation in found:
        console.print(f"[red]violated:[/red] {violation}")
    if found or keep:
        console.print(f"The words of all processes are in {folder}/processes.log")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    if found:
        sys.exit("The run failed.")
    console.print("[green]Lost 0, duplicates 0.[/green]")


async def _run(console: Console, folder: Path, *, seconds: int, seed: int, rate: int, hurry: bool) -> list[Violation]:
    chance = random.Random(seed)  # noqa: S311 - a story, not a secret
    with Progress(*Progress.get_default_columns(), TimeElapsedColumn(), TextColumn("{task.fields[news]}"), console=console) as progress:
        bar = progress.add_task("Starting", total=seconds + LONGEST_QUIET_SECONDS, news="")
        async with stage(folder, hurry=hurry) as built:
            with transaction() as session:
                story = write_story(session, chance, deliveries=seconds * rate, seconds=seconds)
            settings = get_settings()
            sender = Sender(story.deliveries, webhook_url(settings.public_url), secrets_in(settings.stripe_webhook_secret)[0], seed=seed)
            chaos = Chaos(built, chance)

            def show(title: str, *, completed: float) -> None:
                news = f"{len(sender.records.accepted)} events accepted, {len(chaos.injected)} faults"
                progress.update(bar, description=title, completed=completed, total=seconds, news=news)

            sender.start()
            begun = time.monotonic()
            raging = asyncio.create_task(chaos.rage(begun + seconds))
            while not raging.done():
                show("Breaking things", completed=min(time.monotonic() - begun, seconds))
                await asyncio.wait({raging}, timeout=0.5)
            await raging
            await _quiet(sender, lambda left: show(f"Waiting for quiet, {left} left", completed=seconds))
            with transaction() as session:
                found = judge(session, built.mail, story, sender.records)
                lost = sum(len(violation.rows) for violation in found if violation.promise.endswith(LOST))
                tables = [
                    result_table(session, built.mail, story, sender.records, lost=lost, seed=seed),
                    fault_table(recoveries(session, chaos.injected)),
                ]
    for table in tables:
        console.print(table)
    return found


async def _quiet(sender: Sender, show: Callable[[int], None]) -> None:
    """Until the sender has got rid of everything and nothing is left to do, but not for ever: what is left is judged."""
    deadline = time.monotonic() + LONGEST_QUIET_SECONDS
    while time.monotonic() < deadline:
        left = sender.total - sender.records.deliveries_done + await asyncio.to_thread(_unfinished)
        show(left)
        if not left:
            return
        await asyncio.sleep(0.5)
    sender.give_up()
    await asyncio.to_thread(sender.join, 15)


def _unfinished() -> int:
    with transaction() as session:
        return unfinished(session)


if __name__ == "__main__":
    main()
