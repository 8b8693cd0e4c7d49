"""``redrive trigger``: make a Stripe event by hand through the simulator, as the Stripe CLI does with an account."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

import click
import requests
from rich.console import Console
from rich.table import Table

from settings import Settings, SettingsError, settings_without_servers
from simulator.control import SimulatorClient, SimulatorError
from simulator.records import MadeEvent
from simulator.stripe_events import BUILDERS

API_SECONDS = 15


def _overrides(_context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for text in given:
        path, equals, value = text.partition("=")
        if not path or not equals:
            raise click.BadParameter(f"{text!r} is not path=value, such as data.object.amount_total=100")
        try:
            changes[path] = json.loads(value)
        except ValueError:
            changes[path] = value
    return changes


@dataclass(frozen=True, kw_only=True)
class Wish:
    """The options of one call."""

    leads: tuple[str, ...]
    credits_: int | None
    product: str | None
    purchase: str | None
    email: str
    amount_cents: int
    refund_cents: int | None
    unpaid: bool
    times: int
    overrides: dict[str, Any]

    def new_purchase(self) -> dict[str, Any] | None:
        """The body of ``POST /api/purchases``, if there is something to buy first."""
        kinds: list[dict[str, Any]] = []
        if self.leads:
            kinds.append({"kind": "leads", "lead_ids": list(self.leads)})
        if self.credits_ is not None:
            kinds.append({"kind": "credits", "credits": self.credits_})
        if self.product is not None:
            items = [{"name": self.product, "quantity": 1, "unit_amount_cents": self.amount_cents}]
            kinds.append({"kind": "products", "items": items})
        if len(kinds) > 1:
            raise click.UsageError("A purchase is of leads, of credits or of a product: give one of --lead, --credits and --product.")
        if kinds and self.purchase:
            raise click.UsageError("--purchase names a purchase that exists: leave out --lead, --credits and --product.")
        return {**kinds[0], "email": self.email, "currency": "usd"} if kinds else None

    def details(self) -> dict[str, Any]:
        """What the simulator is told about the event."""
        return {
            "purchase_id": self.purchase,
            "email": self.email,
            "amount_cents": self.amount_cents,
            "refund_cents": self.refund_cents,
            "payment_status": "unpaid" if self.unpaid else "paid",
            "times": self.times,
            "override": self.overrides,
        }


@click.command(epilog="Known types: " + ", ".join(BUILDERS) + ". Any other type is made too, as one that nobody has heard of.")
@click.argument("event_type")
@click.option("--lead", "leads", multiple=True, metavar="ID", help="Buy this lead first; several are allowed.")
@click.option("--credits", "credits_", type=click.IntRange(min=1), help="Buy this many credits first.")
@click.option("--product", metavar="NAME", help="Buy this product first, for --amount-cents.")
@click.option("--purchase", metavar="ID", help="An event about this purchase.")
@click.option("--email", default="ada@example.com", show_default=True, help="The buyer.")
@click.option(
    "--amount-cents", type=click.IntRange(min=0), default=2500, show_default=True, help="Price of a product or of a made-up sale."
)
@click.option("--refund-cents", type=click.IntRange(min=1), help="Refund a part only; by default all that is left.")
@click.option("--unpaid", is_flag=True, help="The payment is on its way: payment_status unpaid.")
@click.option("--times", type=click.IntRange(1, 100), default=1, show_default=True, help="Deliver the same event this often.")
@click.option("--override", "overrides", multiple=True, callback=_overrides, metavar="PATH=VALUE", help="Replace a value of the event.")
def trigger(*, event_type: str, **options: Any) -> None:
    """Make an event of EVENT_TYPE, sign it and deliver it to the local receiver.

    With --lead, --credits or --product a purchase is made first, through POST /api/purchases, and the event is about it.
    """
    wish = Wish(**options)
    new_purchase = wish.new_purchase()
    settings = _usable_settings()
    details = wish.details()
    if new_purchase is not None:
        bought = _make_purchase(settings, new_purchase)
        details |= {"purchase_id": bought["id"], "session_id": bought["checkout_session_id"]}
        click.echo(f"Purchase {bought['id']} made.")
    try:
        made = SimulatorClient(settings.simulator_url).trigger(event_type, **details)
    except SimulatorError as error:
        raise click.ClickException(str(error)) from error
    _report(settings, made, wish.times)


def _usable_settings() -> Settings:
    if os.environ.get("REDRIVE_ENV", "").strip() == "production":
        raise click.ClickException("There is no simulator in production, and this is REDRIVE_ENV=production.")
    try:
        settings = settings_without_servers()
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    if not settings.stripe_api_url.startswith(settings.simulator_url):
        raise click.ClickException("STRIPE_API_URL is not the simulator: events of a real account come from `stripe trigger`.")
    return settings


def _make_purchase(settings: Settings, wanted: dict[str, Any]) -> dict[str, Any]:
    url = f"{settings.public_url}/api/purchases"
    headers = {"Authorization": f"Bearer {settings.api_token.get_secret_value()}"}
    try:
        answer = requests.post(url, json=wanted, headers=headers, timeout=API_SECONDS)
    except requests.RequestException as error:
        raise click.ClickException(f"The web process does not answer on {settings.public_url}: start it with `make run`.") from error
    if not answer.ok:
        raise click.ClickException(f"POST /api/purchases was refused with {answer.status_code}: {answer.text.strip()[:500]}")
    bought: dict[str, Any] = answer.json()
    return bought


def _report(settings: Settings, made: list[MadeEvent], times: int) -> None:
    table = Table("Event", "Type", "Delivery", "Answer", box=None)
    for event in made:
        last = event.attempts[-1] if event.attempts else None
        answer = str(last["status"] or last["error"]) if last else "not tried"
        table.add_row(event.id, event.type, event.state, answer)
    Console().print(table)
    triggered = made[-1]
    if triggered.state == "delivered":
        copies = f", {times} times" if times > 1 else ""
        click.echo(f"The receiver has it{copies}. Its mails: {settings.simulator_url}")
    elif triggered.state == "withheld":
        click.echo("A script of the simulator held it back; `redrive reconcile` finds it.")
    else:
        seen = f"{settings.simulator_url}/payments"
        raise click.ClickException(f"The receiver on {settings.public_url} did not take it; the simulator tries again. See {seen}")
