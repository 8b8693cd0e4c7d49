"""The mail provider is down for a while: mails wait without using up their attempts, and all leave when it is back."""

from __future__ import annotations

from simulator.script import Rule, cut_before, fails
from tasks.mail.provider_circuit import State, circuit
from tests.eventually import eventually
from tests.faults.conftest import Measure, StartAll
from tests.faults.storefront import Storefront


def test_no_mail_is_lost_or_sent_twice_and_none_is_given_up(shop: Storefront, start_all: StartAll, measured: Measure, bound: float) -> None:
    rules = [Rule(action=cut_before(), probability=0.5, seed=1), Rule(action=fails("application_error"))]
    shop.simulator.script_resend(rules=rules)
    start_all("web", "worker", "beat", RETRY_UNIT_SECONDS="1")
    purchases = shop.sell(20)
    shop.pay(purchases)
    eventually(lambda: circuit().status().state is State.OPEN, 20)
    asked = shop.simulator.summary().requests

    shop.simulator.script_resend(rules=[])
    with measured("Provider down until the circuit opened, then well: all mails are sent"):
        shop.wait_until_done(purchases, bound)
    shop.check_once(purchases)
    assert asked < 25  # it was not hammered: 20 mails, each asked for about once
