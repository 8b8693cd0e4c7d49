"""Whatever the provider answers and whoever dies: each mail is accepted once and marked so, or has failed in plain sight."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.ledger_checks import violations
from models.connection import transaction
from simulator.control import SimulatorClient
from simulator.script import Action, Rule, fails
from tests.batching import dies_after_the_call, dies_before_the_call, dies_before_the_freeze, drain, finish_everything, queue
from tests.integration.emails.test_batches_with_wrong_answers import ONE_ID, UNCLEAR

REFUSALS = [
    fails(name) for name in ("validation_error", "invalid_idempotent_request", "invalid_api_key", "something_new", "daily_quota_exceeded")
]
WAITS = [fails("rate_limit_exceeded", retry_after=seconds) for seconds in (30, 90)]
ANSWERS = [*REFUSALS, *WAITS, *(action for action in UNCLEAR.values() if action.kind != "hang" and action.body != ONE_ID)]
DEATHS = [dies_after_the_call, dies_before_the_call, dies_before_the_freeze]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    mails=st.integers(1, 9),
    in_batches=st.lists(st.sampled_from(ANSWERS), max_size=6),
    alone=st.lists(st.sampled_from(ANSWERS), max_size=4),
    deaths=st.lists(st.sampled_from(DEATHS), max_size=2),
)
def test_nothing_is_lost_and_nothing_is_sent_twice(
    provider: SimulatorClient, mails: int, in_batches: list[Action], alone: list[Action], deaths: list[Callable[[], None]]
) -> None:
    provider.script_resend(
        rules=[
            *(Rule(action=action, path="/emails/batch", times=1) for action in in_batches),
            *(Rule(action=action, path="/emails", times=1) for action in alone),
        ]
    )
    ids = queue(mails, to=f"{uuid4()}@example.com")  # an address has a limit of its own
    for die in deaths:
        die()
    drain()
    finish_everything(rounds=30, leases_too=True)
    with transaction() as session:
        assert not violations(session, provider, accepted_event_ids=())
    assert len(ids) == mails
