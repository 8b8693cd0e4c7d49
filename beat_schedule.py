"""WHEN: every scheduled task; each entry ``expires`` before its next run, so that a backlog is never replayed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any


def schedule_for(*, sweep_every: timedelta) -> dict[str, dict[str, Any]]:
    """Celery Beat's schedule; a task that is missed is simply run at the next instant, since every one of them is idempotent."""
    return {
        "publish-waiting-work": _entry("tasks.publish_waiting_work", sweep_every),
        "reconcile-stripe-events": _entry("tasks.reconcile_stripe_events", timedelta(hours=1)),
        "store-waiting-dead-letters": _entry("tasks.store_waiting_dead_letters", timedelta(seconds=30)),
    }


def _entry(task: str, every: timedelta) -> dict[str, Any]:
    return {"task": task, "schedule": every, "options": {"queue": "sweeps", "expires": every.total_seconds() * 0.8}}
