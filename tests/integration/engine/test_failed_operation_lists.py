"""Lists of failed operations: each once on its pages, chosen by filters, named by the beginning of an id."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from models.connection import transaction
from models.failed_operation_lists import BadCursorError, Cursor, Filters, count_operations, list_operations
from tasks.errors import OutcomeUnknown
from tasks.redrive_errors import AmbiguousId, UnknownOperation
from tasks.redriving import find_operation, resolve_operation_by_hand
from tests.integration.engine.failing import failed_email, failed_event
from tests.integration.engine.ledger import Ledger

BY = "cli:alice"


def test_the_beginning_of_an_id_names_an_operation_if_it_names_only_one(ledger: Ledger) -> None:
    _, operation = failed_event(ledger)
    _, other = failed_event(ledger)
    ledger.connection.execute("UPDATE failed_operations SET id = overlay(id::text placing 'aaaaaaaa' from 1)::uuid")
    row = ledger.failures()[0]["id"]
    unique = str(row)[
        : next(index for index, (a, b) in enumerate(zip(str(operation), str(other), strict=True)) if index > 8 and a != b) + 1
    ]
    with transaction() as session:
        assert find_operation(session, str(row).upper()) == row
        assert find_operation(session, unique) in {failure["id"] for failure in ledger.failures()}
        with pytest.raises(AmbiguousId):
            find_operation(session, "aaaaaaaa")
        for unknown in ("bbbb", "", "%", "not hex"):
            with pytest.raises(UnknownOperation):
                find_operation(session, unknown)


def test_pages_show_every_operation_once_while_new_ones_come(ledger: Ledger) -> None:
    operations = {failed_event(ledger)[1] for _ in range(7)}
    seen, after = [], None
    while True:
        with transaction() as session:
            page = list_operations(session, Filters(), limit=3, after=after)
        seen += [row.id for row in page.rows]
        failed_event(ledger)
        if page.next is None:
            break
        after = Cursor.parse(str(page.next))
    assert len(seen) == len(operations)
    assert set(seen) == operations
    assert "event_data" not in vars(page.rows[0])


@pytest.mark.parametrize(
    "text", ["", "_", "2026-11-22_x", "x_3e8ec0ae-8f76-4f4e-8a0c-000000000000", "2026-11-22T00:00_3e8ec0ae-8f76-4f4e-8a0c-000000000000"]
)
def test_a_place_in_the_list_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadCursorError):
        Cursor.parse(text)


def test_filters_choose_by_type_reason_task_time_and_whether_it_is_resolved(ledger: Ledger) -> None:
    _, event = failed_event(ledger)
    _, email = failed_email(ledger, OutcomeUnknown("?"))
    with transaction() as session:
        resolve_operation_by_hand(session, event, actor=BY, note="done")
        everything = Filters(resolved=None)
        now = datetime.now(UTC)
        counts = {
            "unresolved": count_operations(session, Filters()),
            "resolved": count_operations(session, Filters(resolved=True)),
            "all": count_operations(session, everything),
            "emails": count_operations(session, replace(everything, operation_type="email")),
            "unknown": count_operations(session, replace(everything, reason="outcome_unknown")),
            "by task": count_operations(session, replace(everything, operation_name="tasks.process_stripe_webhook")),
            "since an hour": count_operations(session, replace(everything, since=now - timedelta(hours=1))),
            "older": count_operations(session, replace(everything, before=now - timedelta(hours=1))),
        }
        [row] = list_operations(session, Filters()).rows
    assert row.id == email
    assert counts == {
        "unresolved": 1,
        "resolved": 1,
        "all": 2,
        "emails": 1,
        "unknown": 1,
        "by task": 1,
        "since an hour": 2,
        "older": 0,
    }
