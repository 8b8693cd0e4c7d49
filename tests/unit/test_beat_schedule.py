"""The schedule: every task of it exists, leaves a heartbeat, and has a time after which it is late."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module

import pytest
from celery.schedules import crontab

from beat_schedule import schedule_for, scheduled
from tasks.celery_app import TASK_MODULES, app
from tasks.sweep import Sweep

SCHEDULED = scheduled(sweep_every=timedelta(seconds=5))


@pytest.mark.parametrize("name", SCHEDULED)
def test_every_scheduled_task_is_registered_and_leaves_a_heartbeat(name: str) -> None:
    for module in TASK_MODULES:
        import_module(module)
    assert isinstance(app.tasks[SCHEDULED[name].task], Sweep)


@pytest.mark.parametrize(
    ("task", "minutes"),
    [("tasks.sweep_reminders", 35), ("tasks.publish_waiting_work", 5), ("tasks.reconcile_stripe_events", 65)],
)
def test_half_hourly_is_late_after_35_minutes_and_what_runs_often_after_5(task: str, minutes: int) -> None:
    [found] = [each for each in SCHEDULED.values() if each.task == task]
    assert found.late_after == timedelta(minutes=minutes)


def test_the_reminders_are_swept_at_the_full_and_the_half_hour() -> None:
    entry = schedule_for(sweep_every=timedelta(seconds=5))["sweep-reminders"]
    assert entry["schedule"] == crontab(minute="*/30")
    assert entry["options"]["expires"] < 30 * 60
