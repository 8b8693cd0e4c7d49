"""The handle by which tests, demos and the command line start and drive a simulator; product code never imports it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import requests

from simulator.records import AcceptedEmail, MadeEvent, Summary
from simulator.script import BuyerAction, NoticeType, Receiver, Rule, Trigger

START_SECONDS = 20
ROOT = Path(__file__).resolve().parent.parent


class SimulatorError(Exception):
    """The simulator does not run or refused what was asked; the message says which."""


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

    def send_webhooks_to(self, web_url: str) -> None:
        """Deliver to ``{web_url}/webhooks/stripe`` and ``/webhooks/resend`` from now on."""
        self._post("/control/receiver", {"web_url": web_url})

    def script_resend(self, *, rules: list[Rule] | None = None, **changes: Any) -> dict[str, Any]:
        """Change how the Resend side behaves: any field of ``ResendScript``; what is not named stays. ``rules`` are re-armed."""
        return self._post("/control/resend/script", _with_rules(changes, rules))

    def emails(self, *, to: str | None = None, key: str | None = None, bodies: bool = True) -> list[AcceptedEmail]:
        """Every accepted mail, the oldest first; without ``bodies`` there is no html, text, header nor tag, and it is faster."""
        query = {"to": to, "key": key, "bodies": None if bodies else 0}
        return [AcceptedEmail.read(content) for content in self._pages("/control/resend/emails", "emails", **query)]

    def requests(self, *, limit: int = 1000) -> dict[str, Any]:
        """``total``, ``outcomes`` and ``paths`` (exact counts), and the newest ``requests`` to Resend in full."""
        return self._get("/control/resend/requests", {"limit": limit})

    def summary(self) -> Summary:
        return Summary(**self._get("/control/resend/summary"))

    def send_resend_event(self, email_id: str, notice: NoticeType, **details: Any) -> str:
        """Tell the shop what became of a mail, for example ``"email.bounced", type="Transient"``; returns the ``svix-id``."""
        wanted = {"email_id": email_id, "type": notice, "details": details}
        return str(self._post("/control/resend/events", wanted)["id"])

    def resend_events(self) -> list[MadeEvent]:
        """Every notice about a mail with its deliveries, the oldest first."""
        return [MadeEvent(**content) for content in self._pages("/control/resend/events", "events")]

    def script_stripe(self, *, rules: list[Rule] | None = None, **changes: Any) -> dict[str, Any]:
        """Change how the Stripe side behaves: any field of ``StripeScript``, such as ``delivery={"gap_next": 3}``."""
        return self._post("/control/stripe/script", _with_rules(changes, rules))

    def stripe_requests(self, *, limit: int = 1000) -> dict[str, Any]:
        """As ``requests``, of the calls to the Stripe API."""
        return self._get("/control/stripe/requests", {"limit": limit})

    def trigger(self, event_type: str, **details: Any) -> list[MadeEvent]:
        """Make an event and try to deliver it: any field of ``Trigger``. The triggered event is the last of those returned."""
        wanted = Trigger(type=event_type, **details).model_dump()
        return _events(self._post("/control/stripe/trigger", wanted))

    def buyer_does(self, session_id: str, action: BuyerAction) -> list[MadeEvent]:
        """Act on the checkout page; returns the events that follow after each was tried once."""
        return _events(self._post(f"/control/stripe/sessions/{session_id}/{action}", {}))

    def events(self) -> list[MadeEvent]:
        """Every Stripe event with its deliveries, the oldest first, also those that were never sent."""
        return [MadeEvent(**content) for content in self._pages("/control/stripe/events", "events")]

    def deliver_again(self, event_id: str) -> MadeEvent:
        """Deliver an event once more, also one that was withheld."""
        return _events(self._post(f"/control/stripe/events/{event_id}/deliver", {}))[0]

    def _pages(self, path: str, name: str, **query: Any) -> Iterator[dict[str, Any]]:
        after: int | None = 0
        while after is not None:
            page = self._get(path, {"after": after, **query})
            yield from page[name]
            after = page["next_after"]

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
        if not response.ok:
            raise SimulatorError(f"The simulator refused {method} {path}: {response.text}")
        content: dict[str, Any] = response.json()
        return content


@contextmanager
def start_simulator(
    *,
    receiver: Receiver | None = None,
    data_folder: Path | None = None,
    port: int = 0,
    options: Sequence[str] = (),
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
    with process.stdout or nullcontext() as output:
        url = output.readline().strip().rpartition(" ")[2] if output else ""
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


def _events(content: Mapping[str, Any]) -> list[MadeEvent]:
    return [MadeEvent(**event) for event in content["events"]]
