"""A worker dies between the provider's "I have it" and our commit: the buyer gets one mail all the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from simulator.script import Rule, slow
from tests.eventually import eventually
from tests.faults.conftest import Measure, Start, StartAll
from tests.faults.storefront import Storefront
from tests.fixtures.processes import ProcfileProcess


def kill_children(worker: ProcfileProcess, _start: Start) -> None:
    for child in worker.family()[1:]:
        child.kill()


def kill_all_and_start_again(worker: ProcfileProcess, start: Start) -> None:
    worker.kill()
    start("worker")


@pytest.mark.parametrize("die", [kill_children, kill_all_and_start_again])
def test_one_mail_is_accepted_although_its_answer_was_never_heard(
    die: Callable[[ProcfileProcess, Start], None], shop: Storefront, start: Start, start_all: StartAll, measured: Measure, bound: float
) -> None:
    _, worker, _ = start_all("web", "worker", "beat")
    late = slow(9_000).model_copy(update={"taken": True})
    shop.simulator.script_resend(rules=[Rule(action=late, path="/emails", times=1)])
    purchases = shop.sell(1)
    shop.pay(purchases)
    eventually(lambda: shop.simulator.summary().accepted)

    die(worker, start)

    with measured(f"Worker killed between the provider's 200 and our commit ({die.__name__.replace('_', ' ')}): the mail counts as sent"):
        shop.wait_until_done(purchases, bound)
    shop.check_once(purchases)
    assert shop.simulator.requests()["outcomes"]["replayed"] == 1
