"""Before a reminder leaves: is it still about anything? A cancelled or moved meeting's is dropped, and its claim with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.orm import Session

from models.reminder_recheck import claims_among, no_longer_due, release_claims
from tasks.emails.last_check import Leaving, check_before_sending
from tasks.reminders import find_source, sources


@check_before_sending
def give_up_outdated(session: Session, leaving: Sequence[Leaving]) -> dict[UUID, str]:
    """Release the claims of reminders that are no longer due; returns the notifications to drop, each with the reason.

    A claim whose source was taken off the shelf can no longer be judged, so its reminder leaves.
    """
    kinds = {source.email for source in sources()}
    candidates = [each.id for each in leaving if each.kind in kinds]
    by_source: dict[str, list[UUID]] = defaultdict(list)
    for claim in claims_among(session, candidates) if candidates else []:
        by_source[claim.source].append(claim.id)
    outdated: dict[UUID, str] = {}
    for name, claim_ids in by_source.items():
        source = find_source(name)
        if source is not None:
            outdated |= no_longer_due(session, source, claim_ids, late_limit=source.late_limit)
    release_claims(session, list(outdated))
    return outdated
