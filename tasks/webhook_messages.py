"""Which task looks at an event of which provider; the receiver needs only these names, not the tasks."""

from __future__ import annotations

from uuid import UUID

from tasks.envelope import Message

QUEUE = "webhooks"
TASK_OF_PROVIDER = {"stripe": "tasks.process_stripe_webhook", "resend": "tasks.process_resend_webhook"}


def message_for(provider: str, event_id: UUID) -> Message:
    """The message that says: look at this event now."""
    return Message(TASK_OF_PROVIDER[provider], (str(event_id),), QUEUE)
