"""``cleanup_old_reminders``: every night, forget the claims on reminders of what is long over."""

from __future__ import annotations

import structlog
from sqlalchemy.orm import Session

from models.connection import engine
from models.reminders_sent import cleanup_old_reminders as remove_old_claims
from tasks.celery_app import app
from tasks.sweep import Sweep

log = structlog.get_logger()

KEPT_DAYS = 90


@app.task(name="tasks.cleanup_old_reminders", base=Sweep, soft_time_limit=1500, time_limit=1560)
def cleanup_old_reminders(days: int = KEPT_DAYS) -> dict[str, int]:
    """Remove them in small batches; returns how many."""
    with Session(engine()) as session:
        removed = remove_old_claims(session, days)
    log.info("reminders.cleaned_up", removed=removed, days=days)
    return {"removed": removed}
