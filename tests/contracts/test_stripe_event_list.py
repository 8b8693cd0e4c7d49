"""What ``GET /v1/events`` promises, asked through Stripe's own SDK: the list that a reconciler reads."""

from __future__ import annotations

import pytest
import stripe

from simulator.control import SimulatorClient

WITHHELD = {"enabled": False}


@pytest.fixture
def event_ids(simulator: SimulatorClient) -> list[str]:
    """Five events that were made and never delivered, the oldest first."""
    simulator.script_stripe(delivery=WITHHELD)
    return [simulator.trigger("charge.refunded" if number % 2 else "invoice.paid")[0].id for number in range(5)]


def _ids(events: stripe.ListObject[stripe.Event]) -> list[str]:
    return [event.id for event in events.data]


def test_events_are_listed_newest_first(stripe_sdk: stripe.StripeClient, event_ids: list[str]) -> None:
    assert _ids(stripe_sdk.v1.events.list()) == event_ids[::-1]


def test_a_page_says_whether_there_is_more(stripe_sdk: stripe.StripeClient, event_ids: list[str]) -> None:
    page = stripe_sdk.v1.events.list({"limit": 2})
    assert (_ids(page), page.has_more) == (event_ids[:-3:-1], True)
    older = stripe_sdk.v1.events.list({"limit": 3, "starting_after": event_ids[3]})
    assert (_ids(older), older.has_more) == (event_ids[2::-1], False)


def test_going_back_to_newer_events_begins_beside_the_cursor(stripe_sdk: stripe.StripeClient, event_ids: list[str]) -> None:
    newer = stripe_sdk.v1.events.list({"limit": 2, "ending_before": event_ids[0]})
    assert (_ids(newer), newer.has_more) == ([event_ids[2], event_ids[1]], True)


def test_paging_by_itself_finds_every_event_once(stripe_sdk: stripe.StripeClient, event_ids: list[str]) -> None:
    forward = stripe_sdk.v1.events.list({"limit": 2})
    assert [event.id for event in forward.auto_paging_iter()] == event_ids[::-1]
    backward = stripe_sdk.v1.events.list({"limit": 2, "ending_before": event_ids[0]})
    assert [event.id for event in backward.auto_paging_iter()] == event_ids[1:]


def test_types_narrow_the_list(stripe_sdk: stripe.StripeClient, event_ids: list[str]) -> None:
    assert _ids(stripe_sdk.v1.events.list({"types": ["charge.refunded"]})) == [event_ids[3], event_ids[1]]
    assert len(stripe_sdk.v1.events.list({"type": "charge.*"}).data) == 2


def test_times_narrow_the_list(stripe_sdk: stripe.StripeClient, simulator: SimulatorClient, event_ids: list[str]) -> None:
    simulator.advance_clock(3600)
    late = simulator.trigger("invoice.paid")[0]
    border = int(late.created)
    assert _ids(stripe_sdk.v1.events.list({"created": {"gte": border}})) == [late.id]
    assert _ids(stripe_sdk.v1.events.list({"created": {"lt": border}})) == event_ids[::-1]


def test_delivered_and_undelivered_are_told_apart(
    stripe_sdk: stripe.StripeClient, told_simulator: SimulatorClient, event_ids: list[str]
) -> None:
    told_simulator.deliver_again(event_ids[2])
    assert _ids(stripe_sdk.v1.events.list({"delivery_success": True})) == [event_ids[2]]
    assert event_ids[2] not in _ids(stripe_sdk.v1.events.list({"delivery_success": False}))
    assert stripe_sdk.v1.events.retrieve(event_ids[2]).pending_webhooks == 0


def test_an_event_is_kept_for_thirty_days(stripe_sdk: stripe.StripeClient, simulator: SimulatorClient, event_ids: list[str]) -> None:
    simulator.advance_clock(30 * 86_400 - 60)
    assert stripe_sdk.v1.events.retrieve(event_ids[0]).type == "invoice.paid"
    simulator.advance_clock(120)
    with pytest.raises(stripe.InvalidRequestError):
        stripe_sdk.v1.events.retrieve(event_ids[0])
    assert stripe_sdk.v1.events.list().data == []


def test_a_page_holds_at_most_a_hundred(stripe_sdk: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        stripe_sdk.v1.events.list({"limit": 101})
