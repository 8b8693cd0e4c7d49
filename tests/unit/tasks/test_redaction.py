from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settings import Settings
from tasks.redaction import Redactor

NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789.+-_%", min_size=1, max_size=20).filter(
    lambda name: not name.startswith("gen") and name not in {"celery", "celerybeat"}
)
DOMAINS = st.from_regex(r"\A[a-z0-9][a-z0-9-]{0,10}(\.[a-z0-9][a-z0-9-]{0,10}){0,2}\.[a-z]{2,6}\Z")


@given(
    name=NAMES,
    domain=DOMAINS,
    before=st.sampled_from(["", "to ", "<", "(email)=(", '"', "mailto:"]),
    after=st.sampled_from(["", ">", ").", '"']),
)
def test_no_address_is_left_wherever_it_stands(name: str, domain: str, before: str, after: str) -> None:
    assert f"@{domain}" not in Redactor().text(f"{before}{name}@{domain}{after}")


@pytest.mark.parametrize(
    "secret",
    [
        "whsec_c2ltdWxhdG9yLXN0cmlwZQ==",
        "sk_live_51HxxYzAbCdEf",
        "sk_test_simulator",
        "rk_live_51HxxYzAbCdEf",
        "re_AbCdEf12_3456789012345678",
        "postgresql://redrive:hunter2@db.example.com/redrive",
        "rediss://:hunter2@cache.example.com:6380",
        "Authorization: Bearer eyJhbGciOi",
    ],
)
def test_what_looks_like_a_secret_is_removed(secret: str) -> None:
    shown = Redactor().text(f"it was {secret}!")
    assert "[secret]" in shown
    assert not any(part in shown for part in ("whsec_", "sk_", "rk_", "re_A", "hunter2", "eyJ"))


@pytest.mark.parametrize(
    "harmless",
    [
        "celery@worker.1.example.com ready.",
        "refund re_3MmlLrLkdIwHu7ix0uRz6vEr of pi_3MmlLrLkdIwHu7ix0uRz6vEr",
        "http://127.0.0.1:8000/admin",
        "2026-11-22T04:47:06.986118Z",
        "tasks.send_purchase_email",
    ],
)
def test_what_operators_need_is_left(harmless: str) -> None:
    assert Redactor().text(harmless) == harmless


def test_the_secrets_of_this_process_are_removed_whatever_they_look_like() -> None:
    settings = Settings.from_environment(
        {
            "DATABASE_URL": "postgres://redrive:correct-horse@127.0.0.1/redrive",
            "REDIS_URL": "redis://:battery-staple@127.0.0.1",
            "API_TOKEN": "a plain phrase",
            "STRIPE_WEBHOOK_SECRET": "first-of-two,second-of-two",
        }
    )
    text = "correct-horse battery-staple a plain phrase first-of-two second-of-two"
    assert Redactor.knowing(settings).text(text) == " ".join(["[secret]"] * 5)


def test_what_is_nested_in_an_entry_is_redacted_too() -> None:
    entry = {
        "event": "email.attempted",
        "to": ["a@example.com", {"cc": ("b@example.com",)}],
        "error": ValueError("c@example.com"),
        "API_TOKEN": "anything",
        "token": 7,
        "attempt": 1,
    }
    assert Redactor().entry(None, "info", entry) == {
        "event": "email.attempted",
        "to": ["[address]", {"cc": ["[address]"]}],
        "error": "[address]",
        "API_TOKEN": "[secret]",
        "token": 7,
        "attempt": 1,
    }
