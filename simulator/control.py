"""The handle by which tests, demos and the command line start and drive a simulator; product code never imports it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import requests

from simulator.script import Receiver, Rule

START_SECONDS = 20
ROOT = Path(__file__).resolve().parent.parent


class SimulatorError(Exception):
    """The simulator does not run or refused what was asked; the message says which."""


@dataclass(frozen=True)
class AcceptedEmail:
    """One mail that the simulated Resend took; html and text are None when bodies are not kept."""

    seq: int
    id: str
    idempotency_key: str | None
    dedupe: str | None
    sender: str
    to: list[str]
    subject: str
    html: str | None
    text: str | None
    headers: dict[str, str]
    tags: list[dict[str, str]]
    accepted_at: float
    last_event: str
    batch_index: int | None

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> Self:
        values = {**content, "sender": content["from"]}
        return cls(**{field.name: values[field.name] for field in fields(cls)})


@dataclass(frozen=True)
class Summary:
    """Counts for "nothing twice": both maps of duplicates are empty when no mail was accepted a second time."""

    accepted: int
    requests: int
    distinct_dedupe_headers: int
    without_dedupe_header: int
    duplicate_keys: dict[str, int]
    duplicate_dedupe_headers: dict[str, int]


class SimulatorClient:
    """Scripts a running simulator and reads its records."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy of the environment has no business on loopback

    @property
    def resend_api_url(self) -> str:
        return f"{self.base_url}/resend"

    @property
    def stripe_api_url(self) -> str:
        return f"{self.base_url}/stripe"

    def environment(self) -> dict[str, str]:
        """What a product process needs in its environment to use this simulator."""
        return {"SIMULATOR_URL": self.base_url, "RESEND_API_URL": self.resend_api_url, "STRIPE_API_URL": self.stripe_api_url}

    def reset(self) -> None:
        """Forget every record and every script."""
        self._post("/control/reset", {})

    def advance_clock(self, seconds: float) -> None:
        """Move the simulated clock, by which idempotency keys expire and quotas renew."""
        self._post("/control/clock", {"advance_seconds": seconds})

    def script_resend(self, *, rules: list[Rule] | None = None, **changes: Any) -> dict[str, Any]:
        """Change how the Resend side behaves: any field of ``ResendScript``; what is not named stays. ``rules`` are re-armed."""
        return self._post("/control/resend/script", _with_rules(changes, rules))

    def emails(self, *, to: str | None = None, key: str | None = None) -> list[AcceptedEmail]:
        """Every accepted mail, the oldest first."""
        found: list[AcceptedEmail] = []
        after: int | None = 0
        while after is not None:
            page = self._get("/control/resend/emails", {"after": after, "to": to, "key": key})
            found += [AcceptedEmail.read(content) for content in page["emails"]]
            after = page["next_after"]
        return found

    def requests(self, *, limit: int = 1000) -> dict[str, Any]:
        """``total``, ``outcomes`` and ``paths`` (exact counts), and the newest ``requests`` in full."""
        return self._get("/control/resend/requests", {"limit": limit})

    def summary(self) -> Summary:
        return Summary(**self._get("/control/resend/summary"))

    def _get(self, path: str, query: Mapping[str, Any] | None = None) -> dict[str, Any]:
        given = {name: value for name, value in (query or {}).items() if value is not None}
        return self._read("GET", path, params=given)

    def _post(self, path: str, content: Mapping[str, Any]) -> dict[str, Any]:
        return self._read("POST", path, json=dict(content))

    def _read(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        try:
            response = self._session.request(method, self.base_url + path, timeout=30, **arguments)
        except requests.RequestException as error:
            raise SimulatorError(f"The simulator does not answer on {self.base_url}: start it with `make run`.") from error
        if response.status_code >= 400:
            raise SimulatorError(f"The simulator refused {method} {path}: {response.text}")
        content: dict[str, Any] = response.json()
        return content


@contextmanager
def start_simulator(
    *,
    receiver: Receiver | None = None,
    data_folder: Path | None = None,
    port: int = 0,
    options: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
) -> Iterator[SimulatorClient]:
    """A simulator process on a free port, ready when the block begins and gone when it ends."""
    command = [sys.executable, "-m", "simulator", "--port", str(port), *options]
    if data_folder is not None:
        command += ["--data-folder", str(data_folder)]
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **(environment or {}), **_receiver_environment(receiver)}, stdout=subprocess.PIPE, text=True
    )
    try:
        yield SimulatorClient(_announced_url(process))
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _announced_url(process: subprocess.Popen[str]) -> str:
    """The simulator says in its first line where it listens; with no line it has said on stderr why not."""
    assert process.stdout is not None
    with process.stdout:
        url = process.stdout.readline().strip().rpartition(" ")[2]
    if not url.startswith("http"):
        raise SimulatorError(f"The simulator did not start (exit code {process.wait(timeout=START_SECONDS)}).")
    return url


def _receiver_environment(receiver: Receiver | None) -> dict[str, str]:
    if receiver is None:
        return {}
    return {
        "PUBLIC_URL": receiver.web_url,
        "STRIPE_WEBHOOK_SECRET": ",".join(receiver.stripe_secrets),
        "RESEND_WEBHOOK_SECRET": ",".join(receiver.resend_secrets),
    }


def _with_rules(changes: dict[str, Any], rules: list[Rule] | None) -> dict[str, Any]:
    return changes if rules is None else {**changes, "rules": [rule.model_dump() for rule in rules]}
