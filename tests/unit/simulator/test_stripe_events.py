"""Events are built without a server, are as large as Stripe's, and always the same from the same arguments."""

from __future__ import annotations

import pytest

from simulator.stripe_events import BUILDERS, Details, Event, Sale, build_event, encode_event, override

SALE = Sale(purchase_id="0191-unit", amount_cents=2500)
AT = 1_793_000_000


def _event(event_type: str, **details: object) -> Event:
    return build_event(event_type, SALE, created=AT, details=Details(**details))  # type: ignore[arg-type]


def test_a_completed_session_names_our_purchase_and_its_buyer() -> None:
    session = _event("checkout.session.completed")["data"]["object"]
    assert session["client_reference_id"] == session["metadata"]["purchase_id"] == "0191-unit"
    assert (session["amount_total"], session["currency"], session["payment_status"]) == (2500, "usd", "paid")
    assert session["customer_details"]["email"] == "ada@example.com"
    assert session["payment_intent"] == SALE.payment_intent_id


@pytest.mark.parametrize(("status", "charged"), [("paid", True), ("unpaid", True), ("no_payment_required", False)])
def test_only_a_session_that_costs_something_has_a_payment(status: str, charged: bool) -> None:
    session = _event("checkout.session.completed", payment_status=status)["data"]["object"]
    assert (session["payment_status"], session["payment_intent"] is not None) == (status, charged)


def test_an_expired_session_has_no_customer_details() -> None:
    session = _event("checkout.session.expired")["data"]["object"]
    assert (session["status"], session["customer_details"], session["payment_intent"]) == ("expired", None, None)


def test_partial_refunds_are_cumulative_and_tell_what_went_before() -> None:
    data = _event("charge.refunded", refund_cents=500, refunded_before_cents=1000)["data"]
    assert (data["object"]["amount_refunded"], data["object"]["refunded"]) == (1500, False)
    assert data["previous_attributes"]["amount_refunded"] == 1000


def test_a_refund_of_the_rest_is_full() -> None:
    data = _event("charge.refunded", refunded_before_cents=1000)["data"]
    assert (data["object"]["amount_refunded"], data["object"]["refunded"]) == (2500, True)
    assert data["previous_attributes"]["refunded"] is False


def test_every_event_about_a_refund_means_the_same_refund() -> None:
    ids = {_event(name, refund_cents=500)["data"]["object"]["id"] for name in ("refund.created", "refund.updated", "refund.failed")}
    assert len(ids) == 1


def test_a_refund_does_not_inherit_the_metadata_of_the_payment() -> None:
    assert _event("refund.created")["data"]["object"]["metadata"] == {}
    assert _event("charge.refunded")["data"]["object"]["metadata"] == {"purchase_id": "0191-unit"}


def test_the_payment_has_the_metadata_that_the_shop_gave_it() -> None:
    sale = Sale(purchase_id="0191-unit", payment_metadata={"other": "yes"})
    assert build_event("payment_intent.succeeded", sale, created=AT)["data"]["object"]["metadata"] == {"other": "yes"}


@pytest.mark.parametrize("event_type", ["checkout.session.completed", "charge.refunded", "invoice.paid"])
def test_bodies_are_as_large_as_real_ones(event_type: str) -> None:
    assert 3000 < len(encode_event(_event(event_type))) < 4200


def test_building_an_event_again_gives_a_duplicate_and_a_later_one_does_not() -> None:
    again = _event("invoice.paid")
    later = build_event("invoice.paid", SALE, created=AT + 1)
    assert again == _event("invoice.paid")
    assert again["id"] != later["id"]


def test_two_types_about_one_sale_are_two_events() -> None:
    assert len({_event(event_type)["id"] for event_type in (*BUILDERS, "widget.exploded")}) == len(BUILDERS) + 1


def test_an_unknown_type_is_still_an_event() -> None:
    event = _event("widget.exploded")
    assert (event["type"], event["object"], event["data"]["object"]["object"]) == ("widget.exploded", "event", "unheard_of")


def test_values_are_overridden_by_path_in_a_copy() -> None:
    event = _event("checkout.session.completed")
    changed = override(event, {"data.object.amount_total": 1, "data.object.payment_method_types.0": "link", "account": "acct_1"})
    assert changed["data"]["object"]["amount_total"] == 1
    assert changed["data"]["object"]["payment_method_types"] == ["link"]
    assert changed["account"] == "acct_1"
    assert event["data"]["object"]["amount_total"] == 2500


def test_live_sales_have_live_ids() -> None:
    event = build_event("checkout.session.completed", Sale(purchase_id="p", livemode=True), created=AT)
    assert (event["livemode"], event["data"]["object"]["id"].startswith("cs_live_")) == (True, True)
