"""``redrive notifications`` and ``redrive suppressions`` at a terminal: what they show, what they do, and how they end."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from click.testing import CliRunner, Result

from cli.main import redrive
from models.connection import transaction
from models.suppressions import is_suppressed, suppress
from tests.mailing import attempt, row_of

Promise = Callable[..., UUID]


def run(*arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(redrive, list(arguments), env={"COLUMNS": "220"}, input=answer)


def suppressed(email: str) -> bool:
    with transaction() as session:
        return is_suppressed(session, email)


def test_a_list_of_nothing_says_so(promise: Promise) -> None:
    assert run("notifications", "list").output == "No email was queued so far.\n"
    assert run("notifications", "list", "--status", "failed").output == "No email matches.\n"
    assert json.loads(run("notifications", "list", "--json").output) == []


def test_the_list_is_filtered_and_leads_to_the_next_command(promise: Promise) -> None:
    sent, waiting = promise(to="ada@example.com"), promise("magic_link", LINK, to="grace@example.com")
    attempt(sent)
    assert [row["id"] for row in listed()] == [str(waiting), str(sent)]
    for options, expected in (
        (["--status", "sent"], sent),
        (["--kind", "magic_link"], waiting),
        (["--to", "ADA@example.com"], sent),
        (["--since", "1d", "--status", "pending"], waiting),
    ):
        assert [row["id"] for row in listed(*options)] == [str(expected)]
    shown = run("notifications", "list", "--limit", "1").output
    assert "grace@example.com" in shown
    assert f"there are more. Next: redrive notifications show {str(waiting)[:8]}" in shown


LINK = {"url": "https://shop.example/in", "expires_in_minutes": 15}


def listed(*options: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(run("notifications", "list", "--json", *options).output)
    return found


def test_show_tells_the_story_from_a_shortened_id(promise: Promise) -> None:
    notification_id = promise()
    attempt(notification_id)
    shown = run("notifications", "show", str(notification_id)[:8]).output
    for words in ("welcome to ada@example.com", "sent", "queued", "attempted", "outcome: sent", "provider_message_id: "):
        assert words in shown
    told = json.loads(run("notifications", "show", "--json", str(notification_id)).output)
    assert [entry["event"] for entry in told["timeline"]] == ["queued", "attempted", "sent"]
    assert "html_body" not in told


@pytest.mark.parametrize("name", ["ffffffff", "nonsense", "", "%", "0" * 40])
def test_an_unknown_id_is_one_sentence(promise: Promise, name: str) -> None:
    result = run("notifications", "show", name)
    assert result.exit_code == 1
    assert result.output.startswith("Error: There is no email whose id begins with")


def test_an_ambiguous_beginning_is_refused(promise: Promise) -> None:
    ids = sorted(str(promise()) for _ in range(17))
    twice = next(one[0] for one, other in pairwise(ids) if one[0] == other[0])
    assert "More than one email's id begins with" in run("notifications", "show", twice).output


def test_cancel_says_what_could_not_be(promise: Promise) -> None:
    later, sent = promise(send_at=datetime.now(UTC) + timedelta(days=1)), promise()
    attempt(sent)
    result = run("notifications", "cancel", str(later), str(sent))
    assert result.exit_code == 1
    assert f"{str(later)[:8]}: cancelled" in result.output
    assert f"{str(sent)[:8]}: not cancelled: it is sent" in result.output
    assert row_of(later).status == "cancelled"


def test_forgetting_a_person_asks_first(promise: Promise) -> None:
    notification_id = promise(to="ada@example.com")
    assert run("notifications", "forget-person", "ada@example.com", answer="n\n").exit_code == 1
    assert row_of(notification_id).recipient_email == "ada@example.com"
    done = run("notifications", "forget-person", "ada@example.com", "--yes")
    assert (done.exit_code, "notifications: 1" in done.output) == (0, True)
    assert row_of(notification_id).status == "cancelled"
    assert run("notifications", "forget-person", "ada@example.com", "--yes").output == "Nothing named this address.\n"
    assert run("notifications", "forget-person", "ada", "--yes").exit_code == 2


def test_a_suppression_is_listed_lifted_and_added(promise: Promise) -> None:
    assert run("suppressions", "list").output == "No address is suppressed.\n"
    with transaction() as session:
        suppress(session, "Ada@example.com", reason="bounced", at=datetime.now(UTC))
    assert "ada@example.com  bounced" in run("suppressions", "list").output
    assert run("suppressions", "lift", "ADA@example.com").output.startswith("Lifted.")
    assert not suppressed("ada@example.com")
    assert run("suppressions", "lift", "ada@example.com").output == "Error: This address is not suppressed.\n"
    assert run("suppressions", "list").output == "No address is suppressed.\n"
    assert "cli:" in run("suppressions", "list", "--all").output
    assert run("suppressions", "add", "ada@example.com").output == "Suppressed.\n"
    assert suppressed("ada@example.com")
