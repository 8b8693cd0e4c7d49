"""The frozen requests of batches hold addresses and words: they go with a person who is forgotten, and with old data."""

from __future__ import annotations

import zlib

from sqlalchemy import text

from models.connection import transaction
from simulator.control import SimulatorClient
from tasks.forgetting import forget_person
from tasks.retention import remove_for
from tests.batching import batches, check_sent_once, drain, finish_everything, form, only_batch, queue, rows_of, states

ADA = "Ada.L+shop@example.com"


def kept_requests() -> str:
    """Everything that all batches still know word for word."""
    return " ".join(zlib.decompress(batch.body).decode() for batch in batches() if batch.body is not None)


def test_a_forgotten_person_is_in_no_batch_any_more(provider: SimulatorClient) -> None:
    [hers], others = queue(1, to=ADA), queue(6)
    drain()
    assert ADA in kept_requests()
    done = forget_person(ADA.lower(), actor="cli:test")
    assert (done.changed["email_batches"], +done.kept) == (1, {})
    assert ADA not in kept_requests()
    assert "0@example.com" in kept_requests(), "other batches are left alone"
    assert [row.recipient_email for row in rows_of([hers])] == ["erased"]
    assert {row.recipient_email for row in rows_of(others)} == {f"{number}@example.com" for number in range(6)}


def test_a_batch_that_was_given_up_keeps_nothing_of_mails_that_then_left_with_another(provider: SimulatorClient) -> None:
    provider.script_resend(daily_quota=1)
    ids = queue(2, to=ADA)
    drain()
    provider.script_resend(daily_quota=0)
    finish_everything()
    check_sent_once(provider, ids)
    assert len(batches()) == 2
    forget_person(ADA, actor="cli:test")
    assert kept_requests() == ""


def test_a_batch_under_way_is_kept_counted_and_erased_when_it_is_over(provider: SimulatorClient) -> None:
    queue(2, to=ADA)
    attempt = form()
    assert +forget_person(ADA, actor="cli:test").kept == {"emails that are being sent at this moment": 2}
    attempt.run()
    assert states() == {"sent": 2}
    assert not +forget_person(ADA, actor="cli:test").kept
    assert kept_requests() == ""


def test_the_words_of_a_batch_go_with_other_personal_data_and_its_row_much_later(provider: SimulatorClient) -> None:
    queue(2, to=ADA)
    drain()
    for days, expected in ((29, "words"), (31, "row"), (401, "nothing")):
        with transaction() as session:
            age = {"days": days}
            session.execute(text("UPDATE email_batches SET finished_at = now() - make_interval(days => :days)"), age)
            session.execute(text("UPDATE email_batches SET created_at = finished_at"))
        remove_for(seconds=60)
        left = "nothing" if not batches() else "words" if only_batch().body else "row"
        assert left == expected
