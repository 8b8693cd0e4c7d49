"""Whatever is sent to the door: no 500, no endless memory, and nothing stored without a valid signature."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import requests
from hypothesis import given
from hypothesis import strategies as st

from settings import Settings, secrets_in
from simulator.signing import FORGERIES, forged_stripe_signature, resend_headers, stripe_signature
from tests.fixtures.processes import ProcfileProcess
from tests.fuzz.conftest import LONGEST_GROWTH, memory
from tests.fuzz.raw_http import Request, chunked, send
from webhooks.receiver import LARGEST_BODY

PATHS = ("/webhooks/stripe", "/webhooks/resend")
SIGNATURE_HEADERS = ("Stripe-Signature", "svix-id", "svix-timestamp", "svix-signature")

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)
names = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["evt_1", "", "\0", "\ud800", "x" * 255, "x" * 256, "é" * 300]),
    st.integers(),
    st.none(),
    json_values,
)
envelopes = st.fixed_dictionaries(
    {},
    optional={
        "id": names,
        "type": names,
        "object": st.sampled_from(["event", "v2.core.event", "charge", None, 1]),
        "livemode": json_values,
        "account": names,
        "api_version": names,
        "created": json_values,
        "created_at": json_values,
        "data": json_values,
    },
)
nested = st.integers(1, 20_000).map(lambda depth: b'{"id":"e","type":"t","data":' + b"[" * depth + b"]" * depth + b"}")
bodies = st.one_of(
    envelopes.map(lambda event: json.dumps(event).encode()),
    json_values.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=2_000),
    nested,
    st.sampled_from([b"", b"{}", b"[]", b"null", b"NaN", b'{"id": NaN}', b"\xff\xfe{}", b'{"id":"a","id":"b","type":"t"}', b'"' * 10_000]),
)
header_text = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=200)
lies = st.sampled_from(
    [
        [("Content-Length", "-1")],
        [("Content-Length", "18446744073709551616")],
        [("Content-Length", "abc")],
        [("Content-Length", "5"), ("Content-Length", "6")],
        [("Transfer-Encoding", "gzip, chunked")],
        [("Transfer-Encoding", "chunked"), ("Content-Length", "3")],
        [("Content-Encoding", "gzip")],
        [],
    ]
)
unfinished = st.sampled_from(
    [[("Content-Length", "99999")], [("Transfer-Encoding", "chunked")], [("Expect", "100-continue"), ("Content-Length", "9")]]
)
methods = st.sampled_from(["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "post", "P OST", "\x00", "X" * 5_000])


def signed(settings: Settings, path: str, body: bytes) -> list[tuple[str, str]]:
    if path.endswith("stripe"):
        return [("Stripe-Signature", stripe_signature(body, secrets_in(settings.stripe_webhook_secret), time.time()))]
    headers = resend_headers(body.decode("latin-1"), secrets_in(settings.resend_webhook_secret), "msg_1", time.time())
    return [(name, value) for name, value in headers.items() if name.startswith("svix-")]


def is_healthy(web: ProcfileProcess, url: str) -> bool:
    return web.running and requests.get(f"{url}/healthz", timeout=5).status_code == 200


def test_nothing_without_a_valid_signature_is_stored_or_ends_in_500(
    web: ProcfileProcess, app_settings: Settings, stored: Callable[[], int]
) -> None:
    url = app_settings.public_url
    secret = secrets_in(app_settings.stripe_webhook_secret)[0]
    forged = st.sampled_from(FORGERIES)

    @given(st.sampled_from(PATHS), bodies, st.lists(st.tuples(st.sampled_from(SIGNATURE_HEADERS), header_text), max_size=5))
    def any_headers(path: str, body: bytes, headers: list[tuple[str, str]]) -> None:
        assert send(url, Request(path, headers=headers, body=body)) == 400

    @given(bodies, forged)
    def forged_signatures(body: bytes, forgery: Any) -> None:
        header = forged_stripe_signature(forgery, body, secret, time.time())
        headers = [] if header is None else [("Stripe-Signature", header)]
        assert send(url, Request(headers=headers, body=body)) == 400

    any_headers()
    forged_signatures()
    assert stored() == 0
    assert is_healthy(web, url)


def test_a_signed_body_is_an_event_or_refused(web: ProcfileProcess, app_settings: Settings, stored: Callable[[], int]) -> None:
    url = app_settings.public_url

    @given(st.sampled_from(PATHS), bodies, st.none() | st.lists(st.integers(1, 700), max_size=5))
    def signed_bodies(path: str, body: bytes, sizes: list[int] | None) -> None:
        before = stored()
        request = Request(path, headers=signed(app_settings, path, body), body=body)
        if sizes is not None:
            request = Request(path, headers=request.headers, body=chunked(body, sizes), head=[("Transfer-Encoding", "chunked")])
        status = send(url, request)
        assert status in {200, 400}
        assert stored() - before in ({0, 1} if status == 200 else {0})  # 0 as well for one that is known

    signed_bodies()
    assert is_healthy(web, url)


def test_lies_about_the_length_and_other_methods_end_well(web: ProcfileProcess, app_settings: Settings, stored: Callable[[], int]) -> None:
    url = app_settings.public_url

    @given(st.sampled_from(PATHS), bodies, lies)
    def wrong_lengths(path: str, body: bytes, head: list[tuple[str, str]]) -> None:
        status = send(url, Request(path, body=body, head=head))
        assert status is None or 400 <= status < 500, status

    @given(st.sampled_from(PATHS), st.binary(max_size=5), unfinished)
    def bodies_that_end_early(path: str, body: bytes, head: list[tuple[str, str]]) -> None:
        status = send(url, Request(path, body=body, head=head, half_close=True))
        assert status is None or status < 500, status

    @given(st.sampled_from([*PATHS, "/webhooks/", "/webhooks/stripe/", "/webhooks/%00", "/webhooks/stripe?a=%ff", "*"]), methods)
    def other_methods(path: str, method: str) -> None:
        status = send(url, Request(path, method=method))
        assert status is None or status < 500 or status in {501, 505}, status  # a method that nobody knows

    wrong_lengths()
    bodies_that_end_early()
    other_methods()
    assert stored() == 0
    assert is_healthy(web, url)


def test_huge_bodies_and_heads_cost_no_memory(web: ProcfileProcess, app_settings: Settings, stored: Callable[[], int]) -> None:
    url = app_settings.public_url
    huge = [
        Request(body=b"x" * (LARGEST_BODY + 1)),
        Request(body=b"x" * LARGEST_BODY),
        Request(body=chunked(b"y" * 8_000_000, [65_536] * 100), head=[("Transfer-Encoding", "chunked")]),
        Request(head=[("Content-Length", str(50 * LARGEST_BODY))], body=b"z" * 100_000),
        Request(headers=[("X-Long", "v" * 500_000)]),
        Request(headers=[(f"X-{number}", "v") for number in range(5_000)]),
        Request(path="/webhooks/stripe?" + "q" * 200_000),
    ]
    for request in huge:  # once, so that what a process keeps for good does not count
        send(url, request)
    before = memory(web)

    statuses = {send(url, request) for _ in range(15) for request in huge}

    assert statuses <= {None, 400, 413, 414, 431}
    assert 413 in statuses
    assert stored() == 0
    assert is_healthy(web, url)
    assert memory(web) - before < LONGEST_GROWTH
