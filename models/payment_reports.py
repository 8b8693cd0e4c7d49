"""``payment_reports``: what Stripe told about the money of a payment after it was made, remembered even before we know whose it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.schema import CreatedAt, PrimaryKey, Table

ReportKind = Literal["refund", "refund_failure", "dispute_opened", "dispute_closed"]


class PaymentReport(Table):
    """One report, unique by Stripe's event; ``applied_at`` is NULL until a completed purchase has heard of it.

    ``amount_cents`` is the money of this refund, failed refund or dispute (NULL: not told), ``cumulative_cents`` all that Stripe
    had refunded by then.
    """

    __tablename__ = "payment_reports"

    id: Mapped[PrimaryKey]
    stripe_event_id: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    stripe_payment_intent_id: Mapped[str | None]
    stripe_charge_id: Mapped[str | None]
    stripe_object_id: Mapped[str]
    amount_cents: Mapped[int | None]
    cumulative_cents: Mapped[int | None]
    dispute_status: Mapped[str | None]
    occurred_at: Mapped[datetime]
    applied_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]


@dataclass(frozen=True, kw_only=True)
class NewReport:
    """A report as an event tells it."""

    stripe_event_id: str
    kind: ReportKind
    stripe_payment_intent_id: str | None
    stripe_charge_id: str | None
    stripe_object_id: str
    occurred_at: datetime
    amount_cents: int | None = None
    cumulative_cents: int | None = None
    dispute_status: str | None = None


def lock_payment(session: Session, stripe_id: str) -> None:
    """Let one transaction at a time deal with this payment: a report and the completion it belongs to must not miss each other."""
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"payment/{stripe_id}", 0))))


def payment_intent_of_charge(session: Session, charge_id: str) -> str | None:
    """The payment intent that some report named together with this charge."""
    known = (PaymentReport.stripe_charge_id == charge_id, PaymentReport.stripe_payment_intent_id.is_not(None))
    return session.scalars(select(PaymentReport.stripe_payment_intent_id).where(*known).limit(1)).one_or_none()


def add_report(session: Session, report: NewReport) -> None:
    """Remember the report once; if it names both charge and payment intent, earlier ones that name only the charge learn the other."""
    if report.stripe_charge_id is not None and report.stripe_payment_intent_id is not None:
        nameless = (PaymentReport.stripe_charge_id == report.stripe_charge_id, PaymentReport.stripe_payment_intent_id.is_(None))
        session.execute(update(PaymentReport).where(*nameless).values(stripe_payment_intent_id=report.stripe_payment_intent_id))
    statement = insert(PaymentReport).values(**asdict(report))
    session.execute(statement.on_conflict_do_nothing(index_elements=[PaymentReport.stripe_event_id]))


def reports_of(session: Session, payment_intent_id: str) -> Sequence[PaymentReport]:
    """All that was ever reported about this payment."""
    return session.scalars(select(PaymentReport).where(PaymentReport.stripe_payment_intent_id == payment_intent_id)).all()


def mark_applied(session: Session, report_ids: Sequence[UUID]) -> None:
    """The purchase has heard of these reports."""
    session.execute(update(PaymentReport).where(PaymentReport.id.in_(report_ids)).values(applied_at=text("now()")))
