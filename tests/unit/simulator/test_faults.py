"""Rules fire for exactly the requests that a script means."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from simulator.faults import Faults
from simulator.script import Action, DeliveryScript, ResendScript, Rule, changed, cut_before, fails

CUT = cut_before()


def _fires(rule: Rule, requests: int, *, path: str = "/emails", to: str = "a@example.com") -> list[bool]:
    faults = Faults([rule])
    return [faults.action_for("POST", path, [to]) is not None for _ in range(requests)]


def test_a_rule_with_a_number_of_times_is_spent_after_them() -> None:
    assert _fires(Rule(action=CUT, times=2), 4) == [True, True, False, False]


def test_a_rule_for_the_nth_request_counts_only_those_that_match() -> None:
    faults = Faults([Rule(action=CUT, to="broken@*", nth=(2,))])
    recipients = ["a@b.example", "broken@x.example", "a@b.example", "broken@x.example", "broken@x.example"]
    assert [faults.action_for("POST", "/emails", [to]) is not None for to in recipients] == [False, False, False, True, False]


def test_a_rule_for_a_path_leaves_others_alone() -> None:
    assert _fires(Rule(action=CUT, path="/emails/batch"), 1) == [False]
    assert _fires(Rule(action=CUT, path="/emails/*"), 1, path="/emails/batch") == [True]
    assert _fires(Rule(action=CUT, method="GET"), 1) == [False]


def test_chance_is_repeatable_with_a_seed() -> None:
    fired = _fires(Rule(action=CUT, probability=0.3, seed=7), 1000)
    assert fired == _fires(Rule(action=CUT, probability=0.3, seed=7), 1000)
    assert fired != _fires(Rule(action=CUT, probability=0.3, seed=8), 1000)
    assert 230 < sum(fired) < 370


def test_the_first_rule_that_fires_decides() -> None:
    faults = Faults([Rule(action=fails("daily_quota_exceeded"), times=1, name="quota"), Rule(action=CUT, name="cut")])
    kinds = [action.kind for _ in range(2) if (action := faults.action_for("POST", "/emails"))]
    assert kinds == ["error", "cut"]
    assert faults.fired() == {"quota": 1, "cut": 1}


def test_a_script_changes_only_what_it_names() -> None:
    before = ResendScript(latency_ms=50, delivery=DeliveryScript(delay_ms=5))
    after = changed(before, {"rate_limit_per_second": 3, "delivery": {"gap_next": 2}})
    assert (after.latency_ms, after.rate_limit_per_second, after.delivery.delay_ms, after.delivery.gap_next) == (50, 3, 5, 2)


def test_a_misspelt_script_is_refused() -> None:
    with pytest.raises(ValidationError):
        changed(ResendScript(), {"latncy_ms": 3})
    with pytest.raises(ValidationError):
        Action.model_validate({"kind": "explode"})
