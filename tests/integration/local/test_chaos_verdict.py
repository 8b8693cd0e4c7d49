"""The judge of `make chaos`: silent about a shop where everything was done once, and not fooled by one where something was not."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import CursorResult, text
from sqlalchemy.orm import Session

from local.chaos.sender import Records
from local.chaos.stage import ALWAYS
from local.chaos.story import Story, write_story
from local.chaos.verdict import judge, lost
from models.connection import connect_directly, engine, transaction
from models.webhook_inbox import IncomingEvent, store_events
from settings import Settings
from simulator.control import SimulatorClient
from simulator.stripe_events import encode_event
from tasks.mail.sending import task_of
from tasks.stripe_webhooks import process_stripe_webhook

Done = tuple[Story, Records]


@pytest.fixture
def app_environment(app_environment: dict[str, str], simulator: SimulatorClient) -> dict[str, str]:
    simulator.script_resend(rules=list(ALWAYS))
    return app_environment | simulator.environment()


@pytest.fixture
def done(app_settings: Settings) -> Done:
    """A story whose events were all taken in and worked on, in this process."""
    with transaction() as session:
        story = write_story(session, random.Random(22), deliveries=160, seconds=1)
    records = Records(accepted=dict.fromkeys(story.genuine, time.time()))
    with connect_directly() as connection:
        for delivery in story.deliveries:
            if delivery.forgery is None:
                event = IncomingEvent.from_stripe(encode_event(delivery.event), headers={}, verified_by="test")
                [row] = store_events(connection, [event], grace_seconds=60)
                process_stripe_webhook.apply((str(row.id),))
    with transaction() as session:
        session.execute(text("DELETE FROM notification_event_logs"))  # so that a test may delete a notification
        mails = list(session.execute(text("SELECT id, notification_type FROM notifications")))
    for mail in mails:
        task_of(mail.notification_type).apply((str(mail.id),))
    return story, records


@pytest.fixture
def session(done: Done) -> Iterator[Session]:
    with Session(engine()) as session:
        yield session


CORRUPTIONS = {
    "a purchase is not completed": "UPDATE purchases SET status = 'pending', completed_at = NULL, fulfilled_at = NULL"
    " WHERE id IN (SELECT id FROM purchases WHERE status = 'completed' AND refunded_cents = 0 LIMIT 1)",
    "a refund is counted wrongly": "UPDATE purchases SET refunded_cents = refunded_cents - 1 WHERE refunded_cents > 0",
    "a credit is given twice": "INSERT INTO credit_entries (user_id, purchase_id, amount, reason, cause)"
    " SELECT user_id, purchase_id, amount, reason, cause || 'x' FROM credit_entries LIMIT 1",
    "a lead is taken away": "UPDATE leads SET sold_to_purchase_id = NULL, sold_at = NULL"
    " WHERE id IN (SELECT id FROM leads WHERE sold_at IS NOT NULL LIMIT 1)",
    "an event waits for ever": "UPDATE webhook_events SET status = 'pending', finished_at = NULL"
    " WHERE id IN (SELECT id FROM webhook_events WHERE status = 'processed' LIMIT 1)",
    "an event is gone": "DELETE FROM webhook_events WHERE id IN (SELECT id FROM webhook_events LIMIT 1)",
    "a failure is not told": "DELETE FROM failed_operations WHERE operation_type = 'webhook'",
    "a buyer who got nothing is forgotten": "DELETE FROM failed_operations WHERE reason = 'lead_already_sold'",
    "an email was never promised": "DELETE FROM notifications WHERE id IN (SELECT id FROM notifications LIMIT 1)",
    "an email counts as sent that the provider never took": "UPDATE notifications SET status = 'sent' WHERE status = 'failed'",
}


def test_the_judge_is_silent_about_a_good_shop_and_not_fooled_by_a_bad_one(
    done: Done, session: Session, simulator: SimulatorClient, subtests: pytest.Subtests
) -> None:
    story, records = done
    with subtests.test("everything was done once"):
        assert judge(session, simulator, story, records) == []
    for name, corruption in CORRUPTIONS.items():
        with subtests.test(name):
            changed = session.execute(text(corruption))
            assert isinstance(changed, CursorResult)
            assert changed.rowcount > 0
            assert judge(session, simulator, story, records)
        session.rollback()
    with subtests.test("an event that was not acknowledged"):
        forgetful = Records(accepted=dict(list(records.accepted.items())[1:]))
        promises = {violation.promise for violation in judge(session, simulator, story, forgetful)}
        assert "the sender's every event is acknowledged in the end" in promises
    with subtests.test("a forged event that was acknowledged"):
        fooled = Records(accepted=records.accepted, forged_answers={"evt_forged": 200})
        [violation] = judge(session, simulator, story, fooled)
        assert violation.promise == "a forged signature is answered 400"
    with subtests.test("what is lost is counted"):
        session.execute(text("UPDATE webhook_events SET status = 'pending', finished_at = NULL WHERE status = 'ignored'"))
        assert lost(judge(session, simulator, story, records)) == 2 * len(story.ignored)  # waits, and has not ended as its story tells
