"""Events that Stripe has and we never saw are taken in; what we know is left alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import stripe
from click.testing import CliRunner
from sqlalchemy import text

from cli.main import redrive
from models.connection import transaction
from models.heartbeats import beat, last_success
from settings import Settings
from simulator.control import SimulatorClient
from simulator.script import Rule, cut_before, fails
from tasks.errors import ProviderAway
from tasks.publishing import queue_length
from tasks.reconciliation import KEPT_BY_STRIPE, NAME, OVERLAP, reconcile, reconcile_stripe_events, where_to_go_on
from tasks.stripe_api import stripe_client

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def account(simulator: SimulatorClient, app_environment: dict[str, str], request: pytest.FixtureRequest) -> Iterator[SimulatorClient]:
    """A Stripe account that delivers nothing, used by the product in this process."""
    app_environment.update(simulator.environment())
    request.getfixturevalue("app_settings")
    simulator.script_stripe(delivery={"enabled": False})
    stripe_client.cache_clear()
    yield simulator
    stripe_client.cache_clear()


def happen(account: SimulatorClient, times: int) -> list[str]:
    return [account.trigger("invoice.paid", purchase_id=f"p{number}")[-1].id for number in range(times)]


def stored() -> dict[str, tuple[str, int]]:
    with transaction() as session:
        rows = session.execute(text("SELECT provider_event_id, verified_by, duplicates FROM webhook_events"))
        return {row[0]: (row[1], row[2]) for row in rows}


def test_all_pages_are_taken_in_and_published(account: SimulatorClient) -> None:
    made = happen(account, 230)

    report = reconcile(LONG_AGO)

    assert stored() == dict.fromkeys(made, ("stripe-api", 0))
    assert (report["listed"], report["found"], queue_length("webhooks")) == (230, 230, 230)


def test_what_is_known_is_left_alone_and_the_body_is_what_stripe_lists(account: SimulatorClient) -> None:
    known = happen(account, 3)
    reconcile(LONG_AGO)
    with transaction() as session:
        session.execute(text("UPDATE webhook_events SET status = 'processed'"))
    new = happen(account, 1)

    assert reconcile(LONG_AGO)["found"] == 1

    assert stored() == dict.fromkeys([*known, *new], ("stripe-api", 0))
    with transaction() as session:
        body = session.execute(text("SELECT body FROM webhook_events WHERE status = 'pending'")).scalar_one()
    assert json.loads(body)["data"]["object"]["object"] == "invoice"


def test_a_run_goes_on_an_hour_before_the_last_one_that_succeeded(account: SimulatorClient) -> None:
    assert datetime.now(UTC) - where_to_go_on() > KEPT_BY_STRIPE - timedelta(minutes=1)
    with transaction() as session:
        beat(session, NAME, {})
        last = last_success(session, NAME)
    assert last is not None
    assert where_to_go_on() == last - OVERLAP


@pytest.mark.parametrize("rule", [Rule(action=fails("api_error"), path="/v1/events"), Rule(action=cut_before(), path="/v1/events")])
def test_a_stripe_that_is_away_is_no_failure_and_what_was_found_stays(account: SimulatorClient, rule: Rule) -> None:
    made = happen(account, 130)
    account.script_stripe(rules=[rule.model_copy(update={"nth": (2, 3)})])  # the SDK asks a second time

    with pytest.raises(ProviderAway):
        reconcile(LONG_AGO)
    assert len(stored()) == 100
    account.script_stripe(rules=[rule.model_copy(update={"times": 2})])
    assert reconcile_stripe_events() is None  # logged, no heartbeat, and no failed operation

    assert reconcile_stripe_events()["found"] == 30
    assert stored().keys() == set(made)


def test_a_key_that_stripe_refuses_is_a_failure_that_people_see(account: SimulatorClient, app_settings: Settings) -> None:
    account.script_stripe(invalid_keys=[app_settings.stripe_secret_key.get_secret_value()])
    with pytest.raises(stripe.AuthenticationError):
        reconcile_stripe_events()


def test_the_command_says_what_it_found(account: SimulatorClient) -> None:
    happen(account, 2)
    said = CliRunner().invoke(redrive, ["reconcile", "--since", "12h"])
    assert said.exit_code == 0, said.output
    assert [line.split("│")[2].strip() for line in said.output.splitlines() if "Stripe lists" in line or "New to us" in line] == ["2", "2"]


@pytest.mark.parametrize("since", ["yesterday", "7y", "2026-13-01", "2999-01-01", ""])
def test_the_command_refuses_a_moment_that_it_cannot_read(since: str) -> None:
    said = CliRunner().invoke(redrive, ["reconcile", "--since", since])
    assert said.exit_code == 2
    assert "Invalid value for '--since'" in said.output


def test_the_command_says_in_one_sentence_that_stripe_is_away(account: SimulatorClient) -> None:
    account.script_stripe(rules=[Rule(action=fails("api_error"), path="/v1/events")])
    said = CliRunner().invoke(redrive, ["reconcile"])
    assert (said.exit_code, said.output) == (
        1,
        "Error: Stripe does not answer now (APIError, status 500). Run it again later; what was found so far is taken in.\n",
    )
