"""Ending an attempt well: the row is finished, and the failed operation that it may once have been is resolved with it."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy.orm import Session

from models.failed_operations import resolve_operation
from models.work import Claim, WorkTable


def finish(session: Session, table: WorkTable, claim: Claim, status: str, *, operation_type: str, note: str | None = None) -> None:
    """Finish the row in the caller's transaction; raises ``LeaseLostError`` if the claim is no longer the newest."""
    table.finish(session, claim, status, note=note)
    resolve_all(session, [claim], operation_type=operation_type)


def resolve_all(session: Session, claims: Iterable[Claim], *, operation_type: str) -> None:
    """Resolve the failed operations of those that were redriven, in the transaction that finishes them."""
    for claim in claims:
        if claim.redrives:
            resolve_operation(session, operation_type, claim.id, by="redrive", note=f"succeeded after redrive {claim.redrives}")
