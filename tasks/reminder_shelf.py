"""Import this to have every reminder source on the shelf: it imports each file of ``tasks/reminders``."""

from __future__ import annotations

import tasks.emails.shelf  # noqa: F401 - a source names the kind of email that it sends
from tasks import reminders
from tasks.shelves import fill

fill(reminders)
