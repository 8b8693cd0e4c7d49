"""The limit of one address: fifty mails a minute, whoever sends them; what is over it waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
import redis

from simulator.control import SimulatorClient
from tasks.mail.recipient_limit import RecipientLimit, RecipientLimited
from tasks.publishing import redis_client
from tests.mailing import attempt, log_of, row_of

Promise = Callable[..., UUID]


@pytest.fixture
def client(redis_url: str) -> redis.Redis:
    return redis_client(timeout_seconds=1)


def take(limit: RecipientLimit, *addresses: str, waiting: int = 0) -> dict[int, RecipientLimited]:
    return limit.take(addresses, waiting=lambda _address: waiting)


def test_the_51st_mail_within_a_minute_to_one_address_waits_whoever_sends_it(client: redis.Redis) -> None:
    workers = [RecipientLimit(client, 50), RecipientLimit(redis_client(timeout_seconds=1), 50)]
    for number in range(50):
        assert not take(workers[number % 2], "Ada@example.com")
    [refusal] = take(workers[0], "ada@example.com ").values()
    assert timedelta(seconds=50) < refusal.delay <= timedelta(seconds=60)
    assert "50 mails within a minute" in str(refusal)
    assert not take(workers[0], "grace@example.com")


def test_of_many_at_once_only_those_over_the_limit_wait(client: redis.Redis) -> None:
    limit = RecipientLimit(client, 2)
    refusals = take(
        limit, "ada@example.com", "grace@example.com", "ADA@example.com", "ada@example.com", "grace@example.com", "ada@example.com"
    )
    assert sorted(refusals) == [3, 5]


def test_those_who_wait_each_get_their_own_minute(client: redis.Redis) -> None:
    limit = RecipientLimit(client, 2)
    take(limit, *["ada@example.com"] * 2)

    def minutes(refusals: dict[int, RecipientLimited]) -> list[int]:
        return [round(refusal.delay.total_seconds() / 60) for refusal in refusals.values()]

    assert [minutes(take(limit, "ada@example.com", waiting=waiting)) for waiting in range(6)] == [[1], [1], [2], [2], [3], [3]]
    assert minutes(take(limit, *["ada@example.com"] * 4, waiting=1)) == [1, 2, 2, 3], "also those who come together"


def test_the_window_moves(client: redis.Redis) -> None:
    limit = RecipientLimit(client, 1)
    take(limit, "ada@example.com")
    [key] = client.scan_iter("redrive:limit*")
    assert "ada" not in str(key)
    client.lset(bytes(key).decode(), 0, str(time.time() - 61))
    assert not take(limit, "ada@example.com")


def test_a_mail_over_the_limit_is_deferred_not_dropped_and_not_an_attempt(
    promise: Promise, mail_server: SimulatorClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = RecipientLimit(redis_client(timeout_seconds=1), 2)
    monkeypatch.setattr("tasks.mail.before_sending.recipient_limit", lambda: limit)
    sent = [promise(), promise()]
    assert [attempt(notification_id) for notification_id in sent] == ["sent", "sent"]
    third = promise()
    with pytest.raises(RecipientLimited):
        attempt(third)
    assert log_of(third)[-1].event == "deferred"
    assert "within a minute" in log_of(third)[-1].detail["why"]
    assert row_of(third).outcome_unknown_at is None
    assert len(mail_server.emails()) == 2
