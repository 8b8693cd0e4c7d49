"""The Celery app; it imports no task, so that tasks can import it: their modules are named here as strings."""

from __future__ import annotations

from celery import Celery
from celery.signals import setup_logging

from tasks.hardening import harden
from tasks.logs import on_celery_start

TASK_MODULES = (
    "tasks.batch_sending",
    "tasks.canary",
    "tasks.dead_letters",
    "tasks.draining",
    "tasks.notification_listener",
    "tasks.reconciliation",
    "tasks.recovery",
    "tasks.reminder_cleanup",
    "tasks.reminder_sweep",
    "tasks.resend_webhooks",
    "tasks.retention",
    "tasks.sending",
    "tasks.stripe_webhooks",
    "tasks.watch_step",
)

app = Celery("tasks", include=TASK_MODULES, task_cls="tasks.hardening:HardenedTask")
app.config_from_object("celeryconfig")
harden(app)
setup_logging.connect(on_celery_start, weak=False)
