"""Two Beats may run: one leads, and the other takes over within seconds of its death."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.eventually import eventually
from tests.fixtures.processes import ProcfileProcess
from tests.integration.engine.ledger import Ledger

Start = Callable[..., ProcfileProcess]

SENT = "Sending due task publish-waiting-work"


def test_one_of_two_beats_leads_and_the_other_takes_over_when_it_is_killed(ledger: Ledger, beat: Start, tmp_path: Path) -> None:
    beats = [beat(BEAT_SCHEDULE_FILE=str(tmp_path / f"schedule-{number}")) for number in range(2)]
    [leader] = eventually(lambda: [beat for beat in beats if beat.log.count(SENT) > 4])
    [standby] = [beat for beat in beats if beat is not leader]
    assert SENT not in standby.log

    leader.kill()

    eventually(lambda: SENT in standby.log, 5)


def test_a_beat_whose_database_was_away_leads_again(ledger: Ledger, beat: Start) -> None:
    leader = beat()
    eventually(lambda: SENT in leader.log)

    ledger.connection.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()")

    sent = leader.log.count(SENT)
    eventually(lambda: leader.log.count(SENT) > sent + 10, 15)
    assert leader.log.count("beat.leads") == 2
