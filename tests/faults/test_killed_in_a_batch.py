"""A worker dies in the middle of a call for a hundred mails: each of them is accepted once all the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from models.connection import transaction
from models.failed_operations import FailedOperation
from simulator.control import SimulatorClient
from simulator.script import Rule, hang_after
from tests.batching import batches, check_sent_once, queue, states
from tests.eventually import eventually
from tests.faults.conftest import Measure, Start, StartAll
from tests.faults.test_killed_after_the_mail_was_taken import kill_all_and_start_again, kill_children
from tests.fixtures.processes import ProcfileProcess

MAILS = 120


@pytest.mark.usefixtures("app_settings")
def test_the_batches_of_a_killed_child_do_not_wait_for_its_leases(simulator: SimulatorClient, start_all: StartAll, bound: float) -> None:
    simulator.script_resend(rules=[Rule(name="silence", action=hang_after(4), path="/emails/batch", times=1)])
    ids = queue(MAILS)
    worker, _ = start_all("worker", "beat", LEASE_SECONDS="600")
    eventually(lambda: simulator.script_resend()["fired"]["silence"])
    for child in worker.family()[1:]:
        child.kill()
    eventually(lambda: states() == {"sent": MAILS}, bound)
    check_sent_once(simulator, ids)


@pytest.mark.usefixtures("app_settings")
@pytest.mark.parametrize("taken", [True, False], ids=["taken", "not taken"])
@pytest.mark.parametrize("die", [kill_children, kill_all_and_start_again])
def test_a_batch_whose_answer_was_never_heard_is_accepted_once(
    die: Callable[[ProcfileProcess, Start], None],
    taken: bool,
    simulator: SimulatorClient,
    start: Start,
    start_all: StartAll,
    measured: Measure,
    bound: float,
) -> None:
    silence = hang_after(4).model_copy(update={"taken": taken})
    simulator.script_resend(rules=[Rule(name="silence", action=silence, path="/emails/batch", times=1)])
    ids = queue(MAILS)
    worker, _ = start_all("worker", "beat")
    eventually(lambda: simulator.script_resend()["fired"]["silence"])
    if taken:
        eventually(lambda: simulator.summary().accepted)

    die(worker, start)

    with measured(f"Worker killed in the middle of a batch ({die.__name__.replace('_', ' ')}): all its mails count as sent"):
        eventually(lambda: states() == {"sent": MAILS}, bound)
    check_sent_once(simulator, ids)
    assert any((batch.status, batch.attempts) == ("sent", 2) for batch in batches()), "the same batch again, not its mails alone"
    if taken:
        assert simulator.requests()["outcomes"]["replayed"] >= 1
    with transaction() as session:
        assert not session.query(FailedOperation).count()
