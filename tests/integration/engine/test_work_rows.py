"""The promises of work rows, over thousands of random interleavings on real PostgreSQL."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import cast

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from sqlalchemy import Engine, text

from models.connection import engine
from models.webhook_events import WEBHOOK_EVENTS as TABLE
from models.work import Claim, LeaseLostError
from settings import Settings
from tests.integration.engine.work_machine import WorkRows

THOUSANDS_OF_STEPS = settings(
    max_examples=50, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)


def test_no_order_of_events_loses_a_row_or_lets_a_stale_worker_change_one(app_settings: Settings) -> None:
    machine = cast("type[RuleBasedStateMachine]", partial(WorkRows, engine()))
    run_state_machine_as_test(machine, settings=THOUSANDS_OF_STEPS)


def test_of_many_workers_at_once_exactly_one_gets_and_ends_each_attempt(app_settings: Settings) -> None:
    """Real threads on real connections, with leases that are over at once: everybody may claim, one result counts."""
    database = engine()
    with database.begin() as connection:
        rows = connection.execute(
            text(
                "INSERT INTO webhook_events (provider, provider_event_id, event_type, body)"
                " SELECT 'stripe', n::text, 'test', '' FROM generate_series(1, 20) n RETURNING id"
            )
        ).scalars()
        row_ids = list(rows)

    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(_claim_and_finish, database, row_ids[number % 20]) for number in range(80)]
    claims = [job.result() for job in jobs]

    tokens = Counter((claim.id, claim.token) for claim, _ in claims if claim)
    ended = Counter(claim.id for claim, finished in claims if claim and finished)
    assert set(tokens.values()) == {1}
    assert ended == dict.fromkeys(row_ids, 1)


def _claim_and_finish(database: Engine, row_id: object) -> tuple[Claim | None, bool]:
    with database.begin() as connection:
        claim = TABLE.claim(connection, row_id, holder="thread", lease=timedelta(0))  # type: ignore[arg-type]
    if claim is None:
        return None, False
    try:
        with database.begin() as connection:
            TABLE.finish(connection, claim, "processed")
    except LeaseLostError:
        return claim, False
    return claim, True
