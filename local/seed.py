"""Demo data for ``make run``: some people, leads for sale, and a few purchases; running it again adds nothing."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models.connection import transaction
from models.credit_entries import PRICE_CENTS, add_credits
from models.leads import Lead, mark_sold
from models.purchases import Purchase, PurchaseItem
from models.schema import Table
from models.users import find_or_add_user

NAMESPACE = UUID("5eed5eed-5eed-5eed-5eed-5eed5eed5eed")
PEOPLE = {"ada": "Ada Lovelace", "grace": "Grace Hopper", "katherine": "Katherine Johnson"}
JOBS = {"Roof repair": 4_900, "Kitchen remodel": 6_000, "Solar panels": 7_500, "Bathroom tiles": 3_500, "Garden wall": 2_500}
PLACES = ("Austin, TX 78704", "Boulder, CO 80302", "Portland, OR 97205", "Savannah, GA 31401")
TITLES = {f"{job}, {place}": price_cents for place in PLACES for job, price_cents in JOBS.items()}
CREDITS = 100


def seed() -> str | None:
    """Add what is missing; returns the id of a lead that is for sale, if there is one."""
    with transaction() as session:
        _add(session, Lead, [_lead(title) for title in TITLES])
        leads, titles = {row["title"]: row for row in map(_lead, TITLES)}, list(TITLES)
        bought = [leads[title] for title in titles[:2]]
        _sell(session, "two leads", "ada", [_lead_line(lead) for lead in bought], kind="leads")
        credit_line = {
            "description": f"{CREDITS} credits",
            "quantity": CREDITS,
            "unit_amount_cents": PRICE_CENTS["usd"],
            "credits": CREDITS,
        }
        _sell(session, "credits", "grace", [credit_line], kind="credits")
        _sell(session, "a handbook", "katherine", [{"description": "Handbook", "quantity": 1, "unit_amount_cents": 1_999}], kind="products")
        return _lead_for_sale(session)


def _sell(session: Session, name: str, buyer: str, lines: list[dict[str, Any]], *, kind: str) -> None:
    """A purchase that was completed as soon as it was made, with all that follows from it."""
    purchase_id = _id(f"purchase/{name}")
    user_id, _ = find_or_add_user(session, email=f"{buyer}@example.com", name=PEOPLE[buyer])
    fulfilled = None if kind == "products" else func.now()
    purchase = {
        "id": purchase_id,
        "kind": kind,
        "status": "completed",
        "buyer_email": f"{buyer}@example.com",
        "buyer_name": PEOPLE[buyer],
        "user_id": user_id,
        "currency": "usd",
        "amount_cents": sum(line["quantity"] * line["unit_amount_cents"] for line in lines),
        "stripe_payment_intent_id": f"pi_demo_{purchase_id.hex}",
        "completed_at": func.now(),
        "fulfilled_at": fulfilled,
    }
    if not _add(session, Purchase, [purchase]):
        return
    empty = {"lead_id": None, "credits": None}
    _add(session, PurchaseItem, [empty | line | {"purchase_id": purchase_id, "position": number} for number, line in enumerate(lines, 1)])
    mark_sold(session, [line["lead_id"] for line in lines if "lead_id" in line], purchase_id=purchase_id)
    credits_bought = sum(line.get("credits", 0) for line in lines)
    if credits_bought:
        cause = f"purchase/{purchase_id}"
        add_credits(session, user_id=user_id, purchase_id=purchase_id, amount=credits_bought, reason="purchase", cause=cause)


def _add(session: Session, table: type[Table], rows: list[dict[str, Any]]) -> int:
    """Insert the rows that are not there yet; returns how many."""
    return len(session.execute(insert(table).values(rows).on_conflict_do_nothing().returning(table.__table__.c.id)).all())


def _lead(title: str) -> dict[str, Any]:
    job, place = title.split(", ", 1)
    summary = f"A home owner in {place.rsplit(' ', 1)[0]} asks for three offers."
    details = {"job": job.lower(), "place": place, "phone": "+1 512 555 0100", "within_weeks": 6}
    return {
        "id": _id(f"lead/{title}"),
        "title": title,
        "summary": summary,
        "price_cents": TITLES[title],
        "currency": "usd",
        "details": details,
    }


def _lead_line(lead: dict[str, Any]) -> dict[str, Any]:
    return {"lead_id": lead["id"], "description": lead["title"], "quantity": 1, "unit_amount_cents": lead["price_cents"]}


def _lead_for_sale(session: Session) -> str | None:
    found = session.scalars(select(Lead.id).where(Lead.sold_at.is_(None)).order_by(Lead.title).limit(1)).one_or_none()
    return str(found) if found else None


def _id(name: str) -> UUID:
    return uuid5(NAMESPACE, name)
