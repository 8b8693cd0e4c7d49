"""Whether the provider takes mails now, in words for people."""

from __future__ import annotations

from datetime import timedelta

from tasks.mail.provider_circuit import circuit
from tasks.mail.provider_gate import gate


def provider_status() -> dict[str, str]:
    """What is asked, and the answer; raises ``redis.RedisError`` if Redis is away, and then nothing is held back."""
    limits, breaker = gate().status(), circuit().status()
    return {
        "Requests a second": f"{limits.requests_per_second:g}" if limits.requests_per_second else "no limit is known",
        "Paused": f"for {_seconds(limits.paused_for)}: {limits.reason}" if limits.paused_for else "no",
        "Circuit": breaker.state.value + (f", next try in {_seconds(breaker.retry_in)}" if breaker.retry_in else ""),
        "Failures in a row": str(breaker.failures_in_a_row),
    }


def _seconds(time: timedelta) -> str:
    return f"{time.total_seconds():.0f} s"
