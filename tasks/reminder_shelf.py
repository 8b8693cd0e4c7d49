"""Import this to have every reminder source on the shelf, and reminders checked again before they leave."""

from __future__ import annotations

import tasks.emails.shelf  # a source names the kind of email that it sends
import tasks.reminder_recheck  # noqa: F401 - registers the last check
from tasks import reminders
from tasks.shelves import fill

fill(reminders)
