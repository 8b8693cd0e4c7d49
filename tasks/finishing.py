"""Ending an attempt well: the row is finished, and the failed operation that it may once have been is resolved with it."""

from __future__ import annotations

from sqlalchemy.orm import Session

from models.failed_operations import resolve_operation
from models.work import Claim, WorkTable


def finish(session: Session, table: WorkTable, claim: Claim, status: str, *, operation_type: str, note: str | None = None) -> None:
    """Finish the row in the caller's transaction; raises ``LeaseLostError`` if the claim is no longer the newest."""
    table.finish(session, claim, status, note=note)
    if claim.redrives:
        resolve_operation(session, operation_type, claim.id, by="redrive", note=f"succeeded after redrive {claim.redrives}")
