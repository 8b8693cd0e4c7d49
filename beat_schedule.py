"""WHEN: every scheduled task; each entry ``expires`` before its next run, so that a backlog is never replayed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from celery.schedules import crontab

FREQUENT = timedelta(minutes=5)


@dataclass(frozen=True)
class Scheduled:
    """A task that Beat starts ``every`` so often, at the instants of the clock that ``at`` names, if it matters which."""

    task: str
    every: timedelta
    at: crontab | None = None

    @property
    def late_after(self) -> timedelta:
        """How long after its last success the task is late: 35 minutes for a half-hourly one, 5 for what runs every minute."""
        return FREQUENT if self.every < FREQUENT else self.every + FREQUENT

    @property
    def entry(self) -> dict[str, Any]:
        """The task as Celery Beat reads it."""
        options = {"queue": "sweeps", "expires": self.every.total_seconds() * 0.8}
        return {"task": self.task, "schedule": self.at or self.every, "options": options}


def scheduled(*, sweep_every: timedelta) -> dict[str, Scheduled]:
    """All of them by name; one that is missed is simply run at the next instant, since every one of them is idempotent."""
    return {
        "clean-up-old-reminders": Scheduled("tasks.cleanup_old_reminders", timedelta(days=1), crontab(hour="3", minute="20")),
        "publish-waiting-work": Scheduled("tasks.publish_waiting_work", sweep_every),
        "reconcile-stripe-events": Scheduled("tasks.reconcile_stripe_events", timedelta(hours=1)),
        "remove-old-data": Scheduled("tasks.remove_old_data", timedelta(days=1), crontab(hour="3", minute="40")),
        "store-waiting-dead-letters": Scheduled("tasks.store_waiting_dead_letters", timedelta(seconds=30)),
        "sweep-reminders": Scheduled("tasks.sweep_reminders", timedelta(minutes=30), crontab(minute="*/30")),
    }


def schedule_for(*, sweep_every: timedelta) -> dict[str, dict[str, Any]]:
    """Celery's ``beat_schedule``."""
    return {name: task.entry for name, task in scheduled(sweep_every=sweep_every).items()}
