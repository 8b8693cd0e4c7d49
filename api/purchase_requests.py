"""What ``POST /api/purchases`` takes, and the clear refusal of everything else."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, EmailStr, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from api.errors import not_valid

LARGEST_AMOUNT = 99_999_999  # Stripe's: eight digits
MOST_LINES = 100  # Stripe's: line items of one session
PROBLEMS_SHOWN = 20


def _one_line(text: str) -> str:
    if not text.isprintable() or not text.strip():
        raise ValueError("must be one line of text without control characters")
    return text.strip()


def _web_address(text: str) -> str:
    # Kept as it was written: Stripe fills in the braces of {CHECKOUT_SESSION_ID}, which a URL type would encode.
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not text.isprintable() or " " in text:
        raise ValueError("must be an http or https address")
    return text


def _each_once(ids: list[UUID]) -> list[UUID]:
    if len(set(ids)) < len(ids):
        raise ValueError("names a lead twice")
    return ids


Line = Annotated[str, Field(min_length=1, max_length=250), AfterValidator(_one_line)]
WebAddress = Annotated[str, Field(max_length=2_000), AfterValidator(_web_address)]
Cents = Annotated[int, Field(ge=0, le=LARGEST_AMOUNT)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class _Buyer(_Strict):
    """Who buys, in which currency, and where he goes after the checkout (default: the shop's ``PUBLIC_URL``)."""

    email: EmailStr
    name: Annotated[Line, Field(max_length=200)] | None = None
    currency: Annotated[str, Field(pattern="^[a-z]{3}$")] = "usd"
    success_url: WebAddress | None = None
    cancel_url: WebAddress | None = None


class LeadsRequest(_Buyer):
    """Buy leads at their own price."""

    kind: Literal["leads"]
    lead_ids: Annotated[list[UUID], Field(min_length=1, max_length=MOST_LINES), AfterValidator(_each_once)]


class CreditsRequest(_Buyer):
    """Buy a number of credits at the shop's price."""

    kind: Literal["credits"]
    credits: Annotated[int, Field(ge=1, le=1_000_000)]


class ProductItem(_Strict):
    """One line of a purchase of products."""

    name: Line
    quantity: Annotated[int, Field(ge=1, le=100_000)]
    unit_amount_cents: Cents


def _affordable(items: list[ProductItem]) -> list[ProductItem]:
    if sum(item.quantity * item.unit_amount_cents for item in items) > LARGEST_AMOUNT:
        raise ValueError(f"cost more than {LARGEST_AMOUNT} in minor units")
    return items


class ProductsRequest(_Buyer):
    """Buy anything else, at prices that the caller names."""

    kind: Literal["products"]
    items: Annotated[list[ProductItem], Field(min_length=1, max_length=MOST_LINES), AfterValidator(_affordable)]


PurchaseRequest = LeadsRequest | CreditsRequest | ProductsRequest
PURCHASE_REQUEST: TypeAdapter[PurchaseRequest] = TypeAdapter(Annotated[PurchaseRequest, Field(discriminator="kind")])


def read_purchase_request(body: bytes) -> PurchaseRequest:
    """The request in a JSON body; raises ``ApiError`` 422 that names every problem."""
    try:
        return PURCHASE_REQUEST.validate_json(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)[:PROBLEMS_SHOWN]
        raise not_valid([{"field": _field(item), "message": item["msg"]} for item in found]) from None


def fingerprint(request: PurchaseRequest) -> str:
    """The same for two bodies that ask for the same thing, however they are spaced and ordered."""
    return hashlib.sha256(request.model_dump_json(exclude_unset=True).encode()).hexdigest()


def _field(problem: ErrorDetails) -> str:
    """Where the problem is, without the name of the kind that pydantic puts first."""
    if problem["type"].startswith("union_tag"):
        return "kind"
    path = ".".join(str(part) for part in problem["loc"][1:])
    return path[:200] or "body"
