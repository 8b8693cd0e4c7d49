"""What holds mails back before they are tried: the provider's rate, and a provider that is down."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from uuid import UUID

import pytest
import redis

from local.redis_server import RedisServer
from simulator.control import SimulatorClient
from simulator.script import Rule, fails
from tasks.errors import Deferred
from tasks.mail import mail_provider
from tasks.mail.provider_circuit import FAILURES, OPEN, PROBE, CircuitOpen, ProviderCircuit, State, circuit
from tasks.mail.provider_gate import LONGEST_SLEEP, MARGIN, SPREAD, GateClosed, ProviderGate, gate, rate_in
from tasks.mail.resend_errors import NoClearAnswer
from tasks.mail.send_attempt import SendAttempt
from tasks.publishing import redis_client
from tests.eventually import eventually
from tests.mailing import attempt, claim, put_back, row_of

Promise = Callable[..., UUID]


@pytest.fixture
def client(redis_url: str) -> redis.Redis:
    return redis_client(timeout_seconds=1)


@pytest.mark.parametrize(
    ("text", "rate"),
    [("10", 10), ("100;w=60", 100 / 60), ("2, 2;w=1", 2), ("", None), ("0", None), ("many", None), ("5;w=0", None), ("-1", None)],
)
def test_the_rate_is_read_from_the_providers_header(text: str, rate: float | None) -> None:
    assert rate_in({"RateLimit-Limit": text}) == rate


def test_all_workers_together_keep_to_the_learned_rate(client: redis.Redis) -> None:
    started, places = time.monotonic(), []

    def sleep(seconds: float) -> None:
        places.append(time.monotonic() - started + seconds)

    workers = [ProviderGate(redis_client(timeout_seconds=1), sleep=sleep) for _ in range(3)]
    workers[0].learn({"ratelimit-limit": "10"})
    for number in range(30):
        workers[number % 3].pass_through()
    ahead = [later - earlier for earlier, later in pairwise(places)]
    assert min(ahead) > -0.05, "nobody pushes ahead"
    assert places[-1] == pytest.approx(2 / MARGIN + 9 * SPREAD / 10, abs=0.5)
    assert workers[1].status().requests_per_second == pytest.approx(10)


def test_no_second_holds_more_than_the_provider_allows_however_irregularly_they_come(client: redis.Redis) -> None:
    now, places = 0.0, []

    def sleep(seconds: float) -> None:
        places.append(now + seconds)

    gate = ProviderGate(client, sleep=sleep)
    gate.learn({"ratelimit-limit": "5", "ratelimit-remaining": "3"})
    started = time.monotonic()
    for _ in range(20):
        now = time.monotonic() - started
        gate.pass_through()
    assert places[2] < 0.5, places
    assert places[3] > 1, "two were used before the rate was known"
    assert all(later - earlier > 1 for earlier, later in zip(places, places[5:], strict=False))


def test_what_a_quiet_moment_left_over_is_used_afterwards(client: redis.Redis) -> None:
    slept: list[float] = []
    gate = ProviderGate(client, sleep=slept.append)
    gate.learn({"ratelimit-limit": "20"})
    for _ in range(20):
        gate.pass_through()
    assert slept[-1] < 0.9, "a second's worth in less than a second"


def test_a_place_too_far_away_defers_instead_of_holding_a_worker(client: redis.Redis) -> None:
    mine = ProviderGate(client, sleep=lambda _seconds: None)
    mine.learn({"ratelimit-limit": "1"})
    for _ in range(1 + int(LONGEST_SLEEP.total_seconds() * MARGIN)):
        mine.pass_through()
    with pytest.raises(GateClosed, match="rate limit is used up") as raised:
        mine.pass_through()
    assert LONGEST_SLEEP < raised.value.delay < LONGEST_SLEEP + timedelta(seconds=2)


def test_a_pause_holds_everybody_and_says_why(client: redis.Redis) -> None:
    gate, other = ProviderGate(client), ProviderGate(redis_client(timeout_seconds=1))
    gate.pause(timedelta(hours=3), "The provider's daily quota of mails is used up")
    with pytest.raises(GateClosed, match="daily quota") as raised:
        other.pass_through()
    assert timedelta(hours=2) < raised.value.delay <= timedelta(hours=3)
    status = other.status()
    assert status.paused_for == pytest.approx(timedelta(hours=3), abs=timedelta(seconds=5))
    assert status.reason == "The provider's daily quota of mails is used up"


def test_a_short_pause_is_slept_through(client: redis.Redis) -> None:
    mine = ProviderGate(client)
    mine.pause(timedelta(milliseconds=300), "429")
    started = time.monotonic()
    mine.pass_through()
    assert time.monotonic() - started >= 0.28


def test_one_used_up_quota_spares_the_others_their_requests(promise: Promise, mail_server: SimulatorClient) -> None:
    mail_server.script_resend(rules=[Rule(action=fails("daily_quota_exceeded"))])
    ids = [promise(to=f"{number}@example.com") for number in range(5)]
    for notification_id in ids:
        with pytest.raises(Deferred, match="daily quota"):
            attempt(notification_id)
    assert mail_server.requests()["total"] == 1
    assert row_of(ids[4]).outcome_unknown_at is None
    assert mail_provider.mails_wanted() == 0, "the sweep publishes nothing that would only be deferred"


def test_the_gate_learns_from_real_answers(promise: Promise, mail_server: SimulatorClient) -> None:
    mail_server.script_resend(rate_limit_per_second=25)
    attempt(promise())
    assert gate().status().requests_per_second == pytest.approx(25)


def test_the_circuit_opens_after_failures_in_a_row_and_one_mail_tries_it_again(client: redis.Redis) -> None:
    mine, other = ProviderCircuit(client), ProviderCircuit(redis_client(timeout_seconds=1))
    for _ in range(FAILURES):
        mine.enter()
        mine.failed()
    with pytest.raises(CircuitOpen) as raised:
        other.enter()
    assert timedelta() < raised.value.delay <= timedelta(seconds=5)
    client.delete(OPEN)  # as when its time is over
    assert mine.status().state is State.HALF_OPEN
    mine.enter()
    with pytest.raises(CircuitOpen):
        other.enter()
    mine.answered()
    other.enter()
    assert mine.status() == (State.CLOSED, 0, None)


def test_each_failed_probe_doubles_the_pause_up_to_a_minute(client: redis.Redis) -> None:
    mine = ProviderCircuit(client)
    for _ in range(FAILURES - 1):
        mine.failed()
    pauses = []
    for _ in range(6):
        mine.failed()
        mine.failed()  # one that was under way already changes nothing
        left = mine.status().retry_in
        assert left
        pauses.append(round(left.total_seconds()))
        client.delete(OPEN)
    assert pauses == [5, 10, 20, 40, 60, 60]


def test_a_good_answer_in_between_keeps_the_circuit_closed(client: redis.Redis) -> None:
    mine = ProviderCircuit(client)
    for _ in range(3):
        for _ in range(FAILURES - 1):
            mine.failed()
        mine.enter()
        mine.answered()
    assert mine.status() == (State.CLOSED, 0, None)


def test_a_dead_probe_does_not_hold_the_circuit_for_ever(client: redis.Redis) -> None:
    mine = ProviderCircuit(client)
    for _ in range(FAILURES):
        mine.failed()
    client.delete(OPEN)
    mine.enter()
    assert 0 < client.pttl(PROBE) <= 30_000
    client.delete(PROBE)
    mine.enter()


def test_while_the_provider_is_down_mails_wait_without_attempts_and_go_on_when_it_is_back(
    promise: Promise, mail_server: SimulatorClient, client: redis.Redis
) -> None:
    mail_server.script_resend(rules=[Rule(action=fails("application_error"))])
    first = promise()
    for _ in range(FAILURES):
        held = claim(first)
        with pytest.raises(NoClearAnswer):
            SendAttempt(held).run()
        put_back(held)
    second = promise()
    with pytest.raises(CircuitOpen):
        attempt(second)
    assert mail_server.requests()["total"] == FAILURES
    assert row_of(second).outcome_unknown_at is None
    mail_server.script_resend(rules=[])
    client.delete(OPEN)
    assert attempt(first) == "sent"
    assert attempt(promise()) == "sent"


def test_without_redis_nothing_is_held_back(
    promise: Promise, mail_server: SimulatorClient, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    notification_id = promise()
    redis_server.stop()
    assert attempt(notification_id) == "sent"
    redis_server.start()
    eventually(lambda: circuit().status(), ignoring=(redis.RedisError,))
