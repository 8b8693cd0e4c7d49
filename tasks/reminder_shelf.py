"""Import this to have every reminder source on the shelf, and reminders checked again before they leave."""

from __future__ import annotations

import tasks.reminder_recheck  # noqa: F401 - registers the last check
from tasks import reminders
from tasks.shelves import fill

fill(reminders)
