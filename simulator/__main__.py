"""``python -m simulator``: start the offline Stripe and Resend; refused in production."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from pathlib import Path
from urllib.parse import urlsplit

import click

from settings import secrets_in, settings_without_servers
from simulator.account import Options
from simulator.script import Receiver, ResendScript
from simulator.server import LOOPBACK, serve


@click.command()
@click.option("--port", type=int, default=None, help="0 takes a free one; default: the port of SIMULATOR_URL.")
@click.option("--data-folder", type=click.Path(path_type=Path), default=None, help="Keep mails and payments here over restarts.")
@click.option("--web-url", default=None, help="The receiver of webhooks; default: PUBLIC_URL.")
@click.option("--automatic-events/--no-automatic-events", default=False, help="Send delivered and bounced events after each mail.")
@click.option("--rate-limit", type=int, default=0, help="Resend requests a second; 0: no limit.")
def main(port: int | None, data_folder: Path | None, web_url: str | None, *, automatic_events: bool, rate_limit: int) -> None:
    """An offline Stripe and Resend with an inbox page, for development, demos and tests."""
    if os.environ.get("REDRIVE_ENV", "").strip() == "production":
        sys.exit("The simulator does not run with REDRIVE_ENV=production: it would swallow real mail.")
    settings = settings_without_servers()
    address = urlsplit(settings.simulator_url)
    if address.hostname not in LOOPBACK:
        sys.exit(f"The simulator listens on loopback only, and SIMULATOR_URL names {address.hostname}.")
    receiver = Receiver(
        web_url=web_url or settings.public_url,
        stripe_secrets=tuple(secrets_in(settings.stripe_webhook_secret)),
        resend_secrets=tuple(secrets_in(settings.resend_webhook_secret)),
    )
    script = ResendScript(automatic_events=automatic_events, rate_limit_per_second=rate_limit)
    chosen = port if port is not None else address.port or 8025
    try:
        asyncio.run(_run(Options(receiver, data_folder, script), address.hostname or "127.0.0.1", chosen))
    except sqlite3.Error as error:
        sys.exit(f"The simulator cannot use the folder {data_folder}: {error}.")
    except OSError as error:
        what = f"use {error.filename}" if error.filename else f"listen on port {chosen}"
        sys.exit(f"The simulator cannot {what}: {error.strerror or error}.")


async def _run(options: Options, host: str, port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async for bound in serve(options, host, port, stop):
        click.echo(f"simulator ready on http://{host}:{bound}")


if __name__ == "__main__":
    main()
