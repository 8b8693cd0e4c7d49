"""Two Beats may run: one leads, and the other takes over within seconds of its death."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tasks.publishing import redis_client
from tests.eventually import eventually
from tests.fixtures.processes import ProcfileProcess
from tests.integration.engine.ledger import Ledger

Start = Callable[..., ProcfileProcess]


def _sent_by(beat: ProcfileProcess) -> int:
    """How many messages of this Beat wait in the queue, which nobody consumes."""
    messages = redis_client(timeout_seconds=2).lrange("sweeps", 0, -1)
    return sum(json.loads(message)["headers"]["origin"].startswith(f"gen{beat.pid}@") for message in messages)


def test_one_of_two_beats_leads_and_the_other_takes_over_when_it_is_killed(ledger: Ledger, beat: Start, tmp_path: Path) -> None:
    beats = [beat(BEAT_SCHEDULE_FILE=str(tmp_path / f"schedule-{number}")) for number in range(2)]
    [leader] = eventually(lambda: [beat for beat in beats if _sent_by(beat) > 4])
    [standby] = [beat for beat in beats if beat is not leader]
    assert _sent_by(standby) == 0

    leader.kill()

    eventually(lambda: _sent_by(standby), 5)


def test_a_beat_whose_database_session_was_cut_leads_again(ledger: Ledger, beat: Start) -> None:
    leader = beat()
    eventually(lambda: _sent_by(leader))

    ledger.connection.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()")

    eventually(lambda: leader.log.count("beat.leads") == 2, 15)
    sent = _sent_by(leader)
    eventually(lambda: _sent_by(leader) > sent)
