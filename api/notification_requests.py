"""What ``POST /api/notifications`` takes, and the clear refusal of everything else."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, EmailStr, Field, ValidationError
from pydantic_core import from_json

import tasks.emails.shelf  # noqa: F401 - what a payload must hold is the kind's own business
from api.errors import not_valid
from tasks.emails import kind_names, kind_of
from tasks.emails.errors import InvalidPayload, NotificationRefused, UnknownKind

PROBLEMS_SHOWN = 50

Problem = dict[str, str]


def _storable(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("must be one line of text without control characters")
    return text


class NotificationRequest(BaseModel):
    """One email to one person; ``payload`` is what its ``type`` is made from."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    type: Annotated[str, Field(min_length=1, max_length=60, examples=["welcome"])]
    to: Annotated[EmailStr, Field(examples=["ada@example.com"])]
    payload: dict[str, Any] = Field(default_factory=dict, examples=[{"name": "Ada"}])
    dedupe_key: Annotated[str, Field(min_length=1, max_length=255, examples=["welcome/7"]), AfterValidator(_storable)] | None = Field(
        default=None, description="names the email for ever; the same key again is the same email. Or use the Idempotency-Key header"
    )
    send_at: AwareDatetime | None = Field(default=None, description="the earliest moment it may leave")
    user_id: UUID | None = Field(default=None, description="a known user, in whose time zone the email is written")


def read_notification_request(body: bytes) -> NotificationRequest:
    """The request in a JSON body; raises ``ApiError`` 422 that names every problem, also those of the kind's own payload."""
    problems: list[Problem] = []
    try:
        wanted = NotificationRequest.model_validate_json(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        problems = [{"field": ".".join(str(part) for part in item["loc"])[:200] or "body", "message": item["msg"]} for item in found]
    problems += _problems_of_kind(body)
    if problems:
        raise not_valid(problems[:PROBLEMS_SHOWN])
    return wanted


def example_requests() -> dict[str, dict[str, Any]]:
    """One request for each kind, with its sample."""
    return {
        name: {"type": name, "to": "ada@example.com", "payload": kind_of(name).sample.model_dump(mode="json", exclude_none=True)}
        for name in kind_names()
    }


def problems_in(refusal: NotificationRefused) -> list[Problem]:
    """What the shelf refused, as the API says it."""
    if isinstance(refusal, UnknownKind):
        return [{"field": "type", "message": f"{refusal}."}]
    if isinstance(refusal, InvalidPayload):
        return [_problem_of_payload(problem) for problem in refusal.problems]
    return [{"field": "body", "message": f"{refusal}."}]


def _problems_of_kind(body: bytes) -> list[Problem]:
    """What is wrong with the kind and its payload, whatever else is wrong with the request."""
    try:
        request = from_json(body, allow_inf_nan=False)
    except ValueError:
        return []  # it is no JSON, which the request's own problems say
    if not isinstance(request, dict) or not isinstance(request.get("type"), str):
        return []
    payload = request.get("payload", {})
    try:
        kind = kind_of(request["type"])
        if isinstance(payload, dict):
            kind.parameters.read(kind.name, payload, strict=True)
    except NotificationRefused as refusal:
        return problems_in(refusal)
    return []


def _problem_of_payload(problem: str) -> Problem:
    field, _, message = problem.partition(": ")
    return {"field": field if field == "payload" else f"payload.{field}"[:200], "message": message}
