"""Forgetting one person on request, everywhere, by a named operator; the audit log says that it was done and not for whom."""

from __future__ import annotations

import structlog

from models.audit_log import record_action
from models.connection import transaction
from models.personal_data import Forgotten, Place, forget_in_events, forget_in_tables

log = structlog.get_logger()


def forget_person(email: str, *, actor: str) -> Forgotten:
    """Remove the address and what belongs to it; webhook events are searched in thousands, each in a transaction of its own."""
    with transaction() as session:
        done = forget_in_tables(session, email.strip(), actor=actor)
    place: Place | None = Place()
    while place is not None:
        with transaction() as session:
            place = forget_in_events(session, email.strip(), after=place, done=done)
    changed, kept = dict(done.changed), dict(+done.kept)
    with transaction() as session:
        record_action(session, actor=actor, action="person.forgotten", subject_type="person", subject_id=None, changed=changed, kept=kept)
    log.info("person.forgotten", actor=actor, changed=sum(changed.values()), kept=sum(kept.values()))
    return done
