"""``make demo``: plays a bad day on servers of its own, shows what became of everything, repairs the cause, and checks that it adds up."""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import requests
from rich.console import Console
from rich.progress import Progress, track
from rich.table import Table
from sqlalchemy import text

from local.child_process import family, spawn
from local.demo_story import NEVER_WORKS, Delivery, paid_purchases, write_story
from local.environment import run_environment
from local.errors import LocalServerError
from local.ledger_checks import Violation, unfinished, violations
from local.ports import free_port
from local.postgres import Postgres
from local.procfile import PROCFILE, read_procfile, shell_command
from local.readiness import checks
from local.redis_server import RedisServer
from models.connection import transaction
from settings import get_settings, secrets_in
from simulator.control import SimulatorClient, start_simulator
from simulator.script import Rule, fails

PROCESSES = ("web", "worker", "beat")
SPEED = 0.25  # of a second for each unit of the retry pauses, so that nobody waits: 0.5, 1, 2 s instead of 2, 4, 8 s
LONGEST_WAIT_SECONDS = 180


class DemoStuckError(LocalServerError):
    """Something that had to happen did not within its time."""


def main() -> None:
    options = argparse.ArgumentParser(prog="make demo", description=__doc__)
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10_000), help="plays the same story again")
    seed, console = options.parse_args().seed, Console(width=None if sys.stdout.isatty() else 120)
    console.print(f"[bold]Redrive demo[/bold], seed {seed}: 300 signed Stripe events, with everything that goes wrong on a bad day.\n")
    try:
        with _platform(console) as mail:
            found = _play(console, mail, random.Random(seed))  # noqa: S311 - a story, not a secret
    except LocalServerError as error:
        sys.exit(str(error))
    for violation in found:
        console.print(f"[red]violated:[/red] {violation}")
    console.print("[red]The demo failed.[/red]" if found else "[green]Nothing was lost and nothing happened twice.[/green]")
    sys.exit(1 if found else 0)


def _play(console: Console, mail: SimulatorClient, chance: random.Random) -> list[Violation]:
    with transaction() as session:
        story = write_story(session, chance)
    mail.script_resend(
        rules=[
            Rule(name="never works", to=NEVER_WORKS, action=fails("application_error")),
            Rule(name="fails twice, then works", nth=(1, 2), action=fails("internal_server_error")),
        ]
    )
    answers = _deliver(story)
    _wait_for_quiet("The workers are busy")
    console.print(_what_happened(story, answers, mail, title="After the bad day"))
    console.print(_failed_operations())
    console.print("The mail server is repaired, and every failed operation is redriven: [bold]redrive failed retry --all-matching[/bold]\n")
    mail.script_resend(rules=[])
    _redrive_everything()
    _wait_for_quiet("The redriven work is done")
    console.print(_what_happened(story, answers, mail, title="After the redrive"))
    return _check(story, answers, mail)


def _deliver(story: list[Delivery]) -> list[int]:
    """Send everything, eight at a time as Stripe would, and return the answers' statuses in the story's order."""
    secret = secrets_in(get_settings().stripe_webhook_secret)[0]
    url, web = f"{get_settings().public_url}/webhooks/stripe", requests.Session()

    def send(delivery: Delivery) -> int:
        body, headers = delivery.request(secret)
        return web.post(url, data=body, headers=headers, timeout=10).status_code

    with ThreadPoolExecutor(8) as threads:
        return list(track(threads.map(send, story), "Stripe delivers     ", total=len(story)))


def _wait_for_quiet(title: str) -> None:
    deadline = time.monotonic() + LONGEST_WAIT_SECONDS
    with Progress() as progress:
        bar, most = progress.add_task(f"{title:20}", total=1), 1
        while (left := _unfinished()) > 0:
            if time.monotonic() > deadline:
                raise DemoStuckError(f"{left} rows are not finished after {LONGEST_WAIT_SECONDS} s")
            most = max(most, left)
            progress.update(bar, total=most, completed=most - left)
            time.sleep(0.2)
        progress.update(bar, completed=most)


def _unfinished() -> int:
    with transaction() as session:
        return unfinished(session)


def _what_happened(story: list[Delivery], answers: list[int], mail: SimulatorClient, *, title: str) -> Table:
    sent = Counter(zip((delivery.chapter for delivery in story), answers, strict=True))
    table = Table("", "", title=title, title_justify="left", show_header=False)
    for (chapter, status), count in sorted(sent.items()):
        table.add_row(f"delivered: {chapter}", f"{count} answered {status}")
    with transaction() as session:
        for label, query in _COUNTS.items():
            table.add_row(label, str(session.execute(text(query)).scalar_one()))
    table.add_row("mails accepted by the provider", str(mail.summary().accepted))
    table.add_row("mails accepted twice", str(len(mail.summary().duplicate_keys) + len(mail.summary().duplicate_dedupe_headers)))
    return table


def _failed_operations() -> Table:
    table = Table("type", "what", "reason", "attempts", "error", title="Failed operations", title_justify="left")
    with transaction() as session:
        query = "SELECT operation_type, operation_name, reason, attempts, error_message FROM failed_operations WHERE resolved_at IS NULL"
        for row in session.execute(text(query)):
            table.add_row(*(str(value) for value in row))
    return table


def _redrive_everything() -> None:
    command = [str(Path(sys.executable).parent / "redrive"), "failed", "retry", "--all-matching"]
    done = subprocess.run(command, cwd=PROCFILE.parent, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise DemoStuckError(f"{' '.join(command)} failed: {done.stderr.strip()}")


def _check(story: list[Delivery], answers: list[int], mail: SimulatorClient) -> list[Violation]:
    accepted = {delivery.event["id"] for delivery, status in zip(story, answers, strict=True) if status == requests.codes.ok}
    wrong = [
        f"{delivery.chapter} {delivery.event['id']} answered {status}"
        for delivery, status in zip(story, answers, strict=True)
        if (status == requests.codes.ok) != (delivery.fate == "accepted")
    ]
    paid = set(paid_purchases(story))
    with transaction() as session:
        completed = set(session.execute(text("SELECT id::text FROM purchases WHERE status = 'completed'")).scalars())
        refunded = session.execute(text("SELECT count(*) FROM purchases WHERE refunded_at IS NOT NULL")).scalar_one()
        unresolved = session.execute(text("SELECT operation_name FROM failed_operations WHERE resolved_at IS NULL")).scalars().all()
        found = violations(session, mail, accepted_event_ids=accepted)
    expected = [
        Violation("every delivery is answered as it deserves", wrong),
        Violation("a purchase is completed if and only if it was paid", sorted(completed ^ paid)),
        Violation("every refund that came too early is applied", [] if refunded == 10 else [f"{refunded} of 10"]),  # noqa: PLR2004
        Violation("after the redrive nothing is left to repair", list(unresolved)),
    ]
    return [*found, *(violation for violation in expected if violation.rows)]


@contextmanager
def _platform(console: Console) -> Iterator[SimulatorClient]:
    """Servers, simulator and the Procfile's processes in a folder of their own, gone at the end."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="redrive-demo-")))
        with console.status("Starting PostgreSQL, Redis, a simulated Stripe and Resend, and the processes of the Procfile …"):
            postgres = stack.enter_context(Postgres(folder / "postgres"))
            broker = stack.enter_context(RedisServer(folder / "redis"))
            mail = stack.enter_context(start_simulator())
            environ = _environment(folder, postgres.url, broker.url) | mail.environment()
            os.environ.update(environ)
            get_settings.cache_clear()
            subprocess.run([sys.executable, "-m", "migrations"], cwd=PROCFILE.parent, check=True)
            for name in PROCESSES:
                process = spawn(shell_command(read_procfile()[name]), log=folder / f"{name}.log", folder=PROCFILE.parent, environ=environ)
                stack.callback(_stop, process)
            _wait_until_ready(environ)
        yield mail


def _environment(folder: Path, database_url: str, redis_url: str) -> dict[str, str]:
    own = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "PORT": str(free_port()), "RETRY_UNIT_SECONDS": str(SPEED)}
    plain = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return run_environment({**plain, **own, "SWEEP_SECONDS": "1"}, folder)


def _wait_until_ready(environ: dict[str, str]) -> None:
    ready, deadline = checks(environ), time.monotonic() + LONGEST_WAIT_SECONDS
    for name in PROCESSES:
        while not ready[name]():
            if time.monotonic() > deadline:
                raise DemoStuckError(f"{name} was started but is not ready")
            time.sleep(0.1)


def _stop(process: subprocess.Popen[bytes]) -> None:
    members = family(process)
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for member in members:
        if member.is_running():
            member.kill()


_COUNTS = {
    "events stored": "SELECT count(*) FROM webhook_events",
    "duplicates counted": "SELECT sum(duplicates) FROM webhook_events",
    "events processed": "SELECT count(*) FROM webhook_events WHERE status = 'processed'",
    "events of an unknown type": "SELECT count(*) FROM webhook_events WHERE status = 'ignored'",
    "purchases completed": "SELECT count(*) FROM purchases WHERE status = 'completed'",
    "purchases refunded": "SELECT count(*) FROM purchases WHERE refunded_at IS NOT NULL",
    "purchases cancelled": "SELECT count(*) FROM purchases WHERE status = 'cancelled'",
    "emails promised": "SELECT count(*) FROM notifications",
    "emails sent": "SELECT count(*) FROM notifications WHERE status = 'sent'",
    "emails that took more than one attempt": "SELECT count(*) FROM notifications WHERE attempts > 1",
    "emails dead": "SELECT count(*) FROM notifications WHERE status = 'failed'",
    "failed operations unresolved": "SELECT count(*) FROM failed_operations WHERE resolved_at IS NULL",
    "failed operations resolved": "SELECT count(*) FROM failed_operations WHERE resolved_at IS NOT NULL",
}


if __name__ == "__main__":
    main()
