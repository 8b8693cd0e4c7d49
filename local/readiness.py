"""Whether each process of the Procfile does its work: asked, not guessed from the time that has passed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

import requests

from local.errors import LocalServerError

Check = Callable[[], bool]
READY_SECONDS = 120  # a cold laptop; usually it takes five


class NotReadyError(LocalServerError):
    """A process was started and does not do its work."""


def checks(environ: Mapping[str, str]) -> dict[str, Check]:
    """One check for each process that can be asked, by its name in the Procfile."""
    return {
        "simulator": lambda: _answers(f"{environ['SIMULATOR_URL']}/healthz"),
        "web": lambda: _answers(f"http://127.0.0.1:{environ['PORT']}/healthz"),
        "worker": lambda: _answers_ping("celery@"),
        "beat": lambda: _answers_ping("celerybeat@"),
        "flower": lambda: _answers(f"http://127.0.0.1:{environ['FLOWER_PORT']}/healthcheck"),
    }


async def until_ready(name: str, check: Check, within_seconds: float = READY_SECONDS) -> None:
    """Wait until ``check`` holds; raises one sentence when it takes too long."""
    deadline = time.monotonic() + within_seconds
    while not await asyncio.to_thread(check):
        if time.monotonic() > deadline:
            raise NotReadyError(f"{name} was started but is not ready after {within_seconds:g} s; its own words are above")
        await asyncio.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False


def _answers_ping(node: str) -> bool:
    """Ask over the broker, as `celery -A tasks inspect ping` does."""
    from tasks.celery_app import app  # only here: reads the settings, which `make run` completes first

    replies: list[dict[str, object]] = app.control.ping(timeout=1) or []
    return any(name.startswith(node) for reply in replies for name in reply)
