"""The Celery app; it imports no task, so that tasks can import it: their modules are named here as strings."""

from __future__ import annotations

from celery import Celery
from celery.signals import setup_logging

from tasks.logs import on_celery_start
from tasks.worker.hardening import harden

TASK_MODULES = (
    "tasks.mail.batch_sending",
    "tasks.worker.canary",
    "tasks.dead_letters",
    "tasks.mail.draining",
    "tasks.worker.notification_listener",
    "tasks.reconciliation",
    "tasks.recovery",
    "tasks.reminder_cleanup",
    "tasks.reminder_sweep",
    "tasks.resend_webhooks",
    "tasks.retention",
    "tasks.mail.sending",
    "tasks.stripe_webhooks",
    "tasks.worker.watch_step",
)

app = Celery("tasks", include=TASK_MODULES, task_cls="tasks.worker.hardening:HardenedTask")
app.config_from_object("celeryconfig")
harden(app)
setup_logging.connect(on_celery_start, weak=False)
