"""Mails are rendered with every value escaped, in the reader's own money and time."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from pydantic import ValidationError

import tasks.emails.shelf  # noqa: F401 - fills the shelf
from settings import Settings
from tasks.emails import EmailKind, kind_names, kind_of
from tasks.emails.rendering import LONGEST_SUBJECT, Rendered, one_line, render

ATTACK = '<script>alert("x")</script><img src=x onerror=alert(1)>\'"&{{ 7 * 7 }}'
SETTINGS = Settings.from_environment({"DATABASE_URL": "postgres://x/x", "REDIS_URL": "redis://x", "SHOP_NAME": f"Shop {ATTACK}"})


class Tags(HTMLParser):
    """Every tag and attribute of a page, as a browser would see them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes += attrs


def attacked(kind: EmailKind) -> list[dict[str, Any]]:
    """The sample once for each field that takes free text, with an attack there; a field that refuses it needs no escaping."""
    sample = kind.sample.model_dump(mode="json")
    found = []
    for name, value in sample.items():
        poisoned = [{**item, "description": ATTACK} for item in value] if isinstance(value, list) else ATTACK
        try:
            kind.parameters.model_validate({**sample, name: poisoned})
        except ValidationError:
            continue
        found.append({**sample, name: poisoned})
    return found


def rendered(kind: EmailKind, payload: dict[str, Any], *, time_zone: str = "UTC") -> Rendered:
    return render(kind, kind.parameters.read(kind.name, payload, strict=True), SETTINGS, time_zone=time_zone)


@pytest.mark.parametrize("name", kind_names())
def test_every_value_of_every_kind_is_escaped(name: str) -> None:
    kind = kind_of(name)
    payloads = attacked(kind)
    assert payloads
    for payload in payloads:
        mail = rendered(kind, payload)
        tags = Tags(mail.html)
        assert not {"script", "img"} & tags.names
        assert not [attribute for attribute, _ in tags.attributes if attribute.startswith("on")]
        assert "{{ 7 * 7 }}" in mail.html
        assert "49'" not in mail.html
        assert "&lt;" not in mail.text, "the text part is not HTML"


@pytest.mark.parametrize("name", ["magic_link", "booking_confirmation", "meeting_reminder"])
def test_a_link_cannot_leave_its_attribute_or_run_a_script(name: str) -> None:
    kind = kind_of(name)
    field = next(field for field in kind.parameters.model_fields if field.endswith("url"))
    sample = kind.sample.model_dump(mode="json")
    mail = rendered(kind, {**sample, field: 'https://shop.example.com/a?b="><script>alert(1)</script>&c=d'})
    assert "script" not in Tags(mail.html).names
    for scheme in ("javascript:alert(1)", "data:text/html,x", "file:///etc/passwd"):
        with pytest.raises(ValidationError):
            kind.parameters.model_validate({**sample, field: scheme})


@pytest.mark.parametrize("name", kind_names())
def test_every_kind_says_who_to_write_to_in_both_parts(name: str) -> None:
    kind = kind_of(name)
    mail = render(kind, kind.sample, SETTINGS)
    assert f"mailto:{SETTINGS.support_email}" in mail.html
    assert SETTINGS.support_email in mail.text
    assert "You get this mail because" in mail.html
    assert "You get this mail because" in mail.text


@pytest.mark.parametrize("name", kind_names())
def test_every_kind_survives_what_may_be_missing(name: str) -> None:
    kind = kind_of(name)
    required = {field for field, about in kind.parameters.model_fields.items() if about.is_required()}
    mail = rendered(kind, kind.sample.model_dump(mode="json", include=required))
    assert "None" not in mail.html + mail.text + mail.subject
    assert not re.search(r"\n{4,}", mail.text)


@pytest.mark.parametrize("name", kind_names())
def test_mails_fit_what_mail_clients_can_do(name: str) -> None:
    mail = render(kind_of(name), kind_of(name).sample, SETTINGS)
    tags = Tags(mail.html)
    assert not {"div", "p", "table"}.isdisjoint(tags.names)
    assert not {"script", "link", "form", "iframe", "svg", "video"} & tags.names
    assert len(mail.html) < 100_000, "Gmail cuts mails at 102 kB"
    assert "max-width:600px" in mail.html
    assert "prefers-color-scheme: dark" in mail.html


@pytest.mark.parametrize("evil", ["Hi\r\nBcc: eve@example.com", "Hi\nBcc: x", "Hi\u2028Bcc: x", "Hi\x00\x1b[2J", "\u202eevil"])
def test_a_subject_is_one_line_whatever_is_in_it(evil: str) -> None:
    kind = kind_of("booking_confirmation")
    subject = rendered(kind, {**kind.sample.model_dump(mode="json"), "title": evil}).subject
    assert not re.search(r"[\x00-\x1f\u2028\u202e]", subject)
    assert len(one_line("x" * 1000)) == LONGEST_SUBJECT


@pytest.mark.parametrize("name", ["Click www.evil.example", "https://evil.example", "evil.example", "eve@example.com"])
def test_a_name_that_would_become_a_link_is_not_repeated(name: str) -> None:
    mail = rendered(kind_of("welcome"), {"name": name})
    assert "Hello," in mail.html
    assert name not in mail.html + mail.text


def test_times_are_written_where_the_reader_is() -> None:
    kind = kind_of("purchase")
    payload = {**kind.sample.model_dump(mode="json"), "purchased_at": "2026-07-01T03:30:00Z"}
    assert "June 30, 2026, 11:30\N{NO-BREAK SPACE}PM EDT" in rendered(kind, payload, time_zone="America/New_York").text


def test_a_booking_is_written_in_its_own_time_zone() -> None:
    kind = kind_of("booking_confirmation")
    assert "9:00\N{NO-BREAK SPACE}AM to 9:45\N{NO-BREAK SPACE}AM CST" in render(kind, kind.sample, SETTINGS, time_zone="Asia/Tokyo").text


def test_a_second_partial_refund_shows_what_was_paid_back_before() -> None:
    kind = kind_of("refund")
    payload = {**kind.sample.model_dump(mode="json"), "refunded_cents": 1_000, "total_refunded_cents": 5_900}
    text = rendered(kind, payload).text
    assert "Paid back before: $49.00" in text
    assert "Paid back now: $10.00" in text
    assert "Paid back altogether: $59.00" in text
