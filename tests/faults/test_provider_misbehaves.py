"""The mail provider answers wrongly, late, or not at all: each buyer gets one mail."""

from __future__ import annotations

import pytest

from models.connection import transaction
from models.notifications import Notification
from simulator.script import (
    Action,
    Rule,
    bad_gateway,
    cut_after,
    cut_before,
    fails,
    hang_after,
    not_json,
    without_id,
)
from tests.faults.conftest import Measure, StartAll
from tests.faults.storefront import Storefront

CASES: dict[str, tuple[Action, int]] = {
    "500, twice": (fails("application_error"), 2),
    "500 after taking the mail": (fails("application_error", taken=True), 1),
    "a proxy's 502 page": (bad_gateway(), 1),
    "a cut connection": (cut_before(), 1),
    "a cut connection after taking the mail": (cut_after(), 1),
    "silence after taking the mail": (hang_after(12), 1),
    "200 without an id": (without_id(), 1),
    "200 that is not JSON": (not_json(), 1),
    "409, the same key is in flight": (fails("concurrent_idempotent_requests"), 1),
    "429 with retry-after": (fails("rate_limit_exceeded", retry_after=1), 1),
    "the day's quota, renewed in 2 s": (fails("daily_quota_exceeded", retry_after=2), 1),
}
NO_ATTEMPT = {"429 with retry-after", "the day's quota, renewed in 2 s"}


def test_each_wrong_answer_ends_in_one_mail(
    shop: Storefront, start_all: StartAll, measured: Measure, bound: float, subtests: pytest.Subtests
) -> None:
    purchases = shop.sell(len(CASES))
    rules = [
        Rule(action=action, times=times, to=purchase.buyer_email, path="/emails")
        for purchase, (action, times) in zip(purchases, CASES.values(), strict=True)
    ]
    shop.simulator.script_resend(rules=rules)
    start_all("web", "worker", "beat")
    shop.pay(purchases)

    with measured("Provider answers wrongly in eleven ways, one of which takes 10 s: all mails are sent"):
        shop.wait_until_done(purchases, bound)
    shop.check_once(purchases)

    with transaction() as session:
        attempts = {row.recipient_email: row.attempts for row in session.query(Notification)}
    for purchase, name in zip(purchases, CASES, strict=True):
        with subtests.test(name):
            assert (attempts[purchase.buyer_email] == 1) == (name in NO_ATTEMPT)
