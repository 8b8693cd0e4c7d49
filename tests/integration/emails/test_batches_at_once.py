"""Several workers drain at once, a worker dies, a lease is lost, other work waits: each mail leaves once, and nobody waits for long."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
from sqlalchemy import text

from models.connection import transaction
from models.work import LeaseLostError
from simulator.control import SimulatorClient
from simulator.script import Rule, cut_before, fails
from tasks.envelope import Message
from tasks.mail import draining
from tasks.mail.batch_sending import send_email_batch
from tasks.mail.draining import Drain, send_waiting_emails
from tasks.mail.settling import settle
from tasks.publishing import publish, queue_length, redis_client
from tests.batching import (
    attempt_again,
    batch_calls,
    batches,
    check_sent_once,
    dies_after_the_call,
    dies_before_the_freeze,
    drain,
    failure_of,
    finish_everything,
    form,
    only_batch,
    queue,
    rows_of,
    states,
    sweep_and_work,
    time_passes,
)
from tests.integration.emails.conftest import SetTo
from tests.mailing import log_of

WEBHOOK = Message("tasks.process_stripe_webhook", ("00000000-0000-0000-0000-000000000000",), "webhooks")


def test_what_a_worker_took_with_it_is_sent_once_after_its_lease(provider: SimulatorClient) -> None:
    ids = queue(4)
    dies_after_the_call()
    time_passes()
    sweep_and_work()
    assert states() == {"running": 4}, "nobody touches them while the lease holds"
    finish_everything(leases_too=True)
    check_sent_once(provider, ids)
    assert [call["outcome"] for call in batch_calls(provider)] == ["accepted", "replayed"], "the same key and the same bytes"
    assert (only_batch().status, {row.attempts for row in rows_of(ids)}) == ("sent", {1})


def test_the_same_bytes_are_sent_again_although_the_settings_have_changed_since(provider: SimulatorClient, set_to: SetTo) -> None:
    ids = queue(4, payload={"name": "Ada"})
    dies_after_the_call()
    set_to(EMAIL_FROM="Another Shop <another@example.com>", SHOP_NAME="Another Shop")
    finish_everything(leases_too=True)
    check_sent_once(provider, ids)
    assert batch_calls(provider)[-1]["outcome"] == "replayed"


def test_a_worker_that_dies_before_the_batch_is_frozen_leaves_mails_that_go_on_alone(provider: SimulatorClient) -> None:
    ids = queue(4)
    dies_before_the_freeze()
    time_passes(leases_too=True)
    sweep_and_work()
    assert only_batch().status == "dissolved"
    sweep_and_work()
    check_sent_once(provider, ids)
    assert not batch_calls(provider)
    assert {row.attempts for row in rows_of(ids)} == {1}


def test_a_batch_that_kills_every_worker_becomes_a_failed_operation_for_each_mail(provider: SimulatorClient) -> None:
    ids = queue(2)
    dies_before_the_freeze()
    with transaction() as session:
        session.execute(text("UPDATE email_batches SET crashes = 5"))
    time_passes(leases_too=True)
    sweep_and_work()
    assert {(row.status, failure_of(row.id).reason, failure_of(row.id).needs_confirmation) for row in rows_of(ids)} == {
        ("failed", "poison", True)
    }
    assert provider.requests()["total"] == 0


def test_who_lost_his_lease_writes_nothing(provider: SimulatorClient) -> None:
    ids = queue(4)
    slow = form()
    time_passes(leases_too=True)
    other = attempt_again(only_batch().id)
    with pytest.raises(LeaseLostError):
        slow.run()  # the provider took it all the same
    assert (states(), [line.event for line in log_of(ids[0])]) == ({"running": 4}, ["queued"])
    other.run()
    check_sent_once(provider, ids)
    assert [line.event for line in log_of(ids[0])] == ["queued", "attempted", "sent"]


def test_a_failure_after_the_lease_was_lost_neither_puts_back_nor_buries(provider: SimulatorClient) -> None:
    ids = queue(4)
    slow = form()
    time_passes(leases_too=True)
    other = attempt_again(only_batch().id)
    for action in (fails("validation_error"), cut_before(), fails("invalid_idempotent_request")):
        provider.script_resend(rules=[Rule(action=action, times=1)])
        with pytest.raises(Exception) as error:  # noqa: PT011 - whatever it is
            slow.run()
        if not isinstance(error.value, LeaseLostError):
            settle(send_email_batch, slow.claim, error.value)
        assert (only_batch().status, only_batch().lease_token, states()) == ("running", 2, {"running": 4})
    assert only_batch().outcome_unknown_at is not None
    other.run()
    check_sent_once(provider, ids)


def test_two_drains_share_the_mails(provider: SimulatorClient) -> None:
    ids = queue(40)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(drain, (0, 1)))
    finish_everything()
    check_sent_once(provider, ids)
    assert {row.attempts for row in rows_of(ids)} == {1}
    assert len(batches()) == len(batch_calls(provider)), "no batch was tried twice"


def test_a_second_message_for_the_same_place_finds_it_taken(provider: SimulatorClient) -> None:
    queue(4)
    with draining._place(0) as free:
        assert free
        assert send_waiting_emails.apply(("0",)).get() == "taken"
        assert states() == {"pending": 4}
        assert send_waiting_emails.apply(("1",)).get() == "done"
    assert states() == {"sent": 4}


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mails never end: each step finds some."""
    monkeypatch.setattr(Drain, "_send_batch", lambda _self: True)


def run_by(ticks: float, place: int) -> tuple[bool, bool]:
    """A run by a clock that goes on by ``ticks`` seconds whenever it is read: whether more is left, and whether it made room."""
    clock = count()
    run = Drain(place, holder="test", clock=lambda: next(clock) * ticks)
    return run.run(), run.makes_room


@pytest.mark.usefixtures("endless")
def test_a_run_ends_after_some_seconds_and_asks_to_go_on(provider: SimulatorClient) -> None:
    for place in (0, 1):
        assert run_by(0.1, place) == (True, False)


@pytest.mark.usefixtures("endless")
@pytest.mark.parametrize("other", [WEBHOOK, Message("tasks.send_magic_link_email", ("x",), "emails", urgent=True)])
def test_while_other_work_waits_the_first_run_takes_a_turn_and_the_second_none(provider: SimulatorClient, other: Message) -> None:
    publish([other])
    assert run_by(0.1, 0) == (True, True)
    assert run_by(0.1, 1)[1]


def test_a_run_that_made_room_goes_on_a_second_later_and_the_second_place_is_left_to_the_sweep(
    provider: SimulatorClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def makes_room(self: Drain) -> bool:
        self.makes_room = True
        return True

    monkeypatch.setattr(Drain, "run", makes_room)
    assert send_waiting_emails.apply(("1",)).get() == "more"
    assert queue_length("batches") == 0
    assert send_waiting_emails.apply(("0",)).get() == "more"
    [message] = redis_client(timeout_seconds=2).lrange("batches", 0, -1)
    assert b'"eta": "' in message


def test_a_run_over_its_time_asks_to_go_on_at_once(provider: SimulatorClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Drain, "run", lambda _self: True)
    assert send_waiting_emails.apply(("1",)).get() == "more"
    [message] = redis_client(timeout_seconds=2).lrange("batches", 0, -1)
    assert b'"eta": null' in message
