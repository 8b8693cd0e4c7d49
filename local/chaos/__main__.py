"""``python -m local.chaos``: one bounded run; exit status 1 if a promise does not hold."""

from __future__ import annotations

import asyncio
import logging
import random
import shutil
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from local.chaos.run import Options, Outcome, run
from local.errors import LocalServerError
from tasks.logs import configure_logging


@click.command()
@click.option("--seconds", type=click.IntRange(5, 3600), default=180, show_default=True, help="How long events are sent and things break.")
@click.option("--seed", type=int, default=None, help="Plays the same story and draws the same faults; without it one is made up.")
@click.option("--rate", type=click.IntRange(1, 500), default=20, show_default=True, help="Deliveries a second.")
@click.option("--hurry", is_flag=True, help="Short leases and sweeps, so that recoveries meet more often.")
@click.option("--keep", is_flag=True, help="Keep the words of all processes also when all is well.")
def main(*, seconds: int, seed: int | None, rate: int, hurry: bool, keep: bool) -> None:
    """Send events while workers, web, Beat, Redis, PostgreSQL and the mail server are broken at random; then check every row."""
    drawn = random.SystemRandom().randrange(10_000) if seed is None else seed
    options = Options(seconds=seconds, rate=rate, seed=drawn, hurry=hurry)
    configure_logging(logging.WARNING)
    console = Console(width=None if sys.stdout.isatty() else 120)
    folder = Path(tempfile.mkdtemp(prefix="redrive-chaos-"))
    console.print(f"[bold]Chaos[/bold] for {seconds} s at {rate} deliveries a second; again with: make chaos ARGS='--seed {drawn}'")
    try:
        outcome = _run_with_progress(console, options, folder)
    except LocalServerError as error:
        sys.exit(f"{error}\nThe words of all processes are in {folder}")
    for table in outcome.tables:
        console.print(table)
    for violation in outcome.violations:
        console.print(f"[red]violated:[/red] {violation}")
    if outcome.violations or keep:
        console.print(f"The words of all processes are in {folder}/processes.log")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    console.print("[red]The run failed.[/red]" if outcome.violations else "[green]Lost 0, duplicates 0.[/green]")
    sys.exit(1 if outcome.violations else 0)


def _run_with_progress(console: Console, options: Options, folder: Path) -> Outcome:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TextColumn("{task.fields[news]}"))
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("Starting", total=options.seconds, news="servers, simulator and processes")

        def show(doing: str, completed: float, news: str) -> None:
            progress.update(bar, description=doing, completed=completed, news=news)

        return asyncio.run(run(options, folder, show))


if __name__ == "__main__":
    main()
