"""Promising an email in the caller's own transaction; it is published once that transaction is committed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic_core import PydanticSerializationError, to_jsonable_python
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

import tasks.emails.shelf  # noqa: F401 - whoever promises an email needs every kind
from models.schema import Json
from settings import get_settings
from tasks.emails import EmailKind, kind_of
from tasks.emails.errors import DedupeConflict, InvalidNotification, InvalidPayload, NotificationRefused
from tasks.envelope import Message
from tasks.publishing import publish_after_commit

QUEUE = "emails"

QUEUE_NOTIFICATION = text(
    "SELECT queue_notification(p_type := :type, p_recipient_email := :recipient, p_payload := CAST(:payload AS jsonb),"
    " p_dedupe_key := :dedupe_key, p_user_id := CAST(:user_id AS uuid), p_send_at := CAST(:send_at AS timestamptz),"
    " p_publish_grace := make_interval(secs => :grace))"
)
NOT_JSON = {"22P02", "22P05"}  # what PostgreSQL says of NaN, of a NUL and of half a surrogate pair inside JSON


def enqueue(
    session: Session,
    notification_type: str,
    recipient_email: str,
    payload: Json,
    *,
    dedupe_key: str,
    user_id: UUID | None = None,
    send_at: datetime | None = None,
) -> UUID:
    """Promise one email in the session's transaction, and return its id; the same promise made again returns the same id.

    ``dedupe_key`` names the email for ever, for example ``purchase/<id>``. ``send_at`` is the earliest moment it may leave.
    Raises ``UnknownKind``, ``InvalidPayload``, ``InvalidNotification`` or ``DedupeConflict``; after the last two the
    transaction can only be rolled back.
    """
    kind = kind_of(notification_type)
    plain = _plain(kind, payload)
    kind.parameters.read(kind.name, plain, strict=True)
    _check(dedupe_key, send_at)
    rings = send_at is None or send_at <= datetime.now(UTC)
    values = {
        "type": kind.name,
        "recipient": recipient_email,
        "payload": json.dumps(plain),
        "dedupe_key": dedupe_key,
        "user_id": user_id,
        "send_at": send_at,
        "grace": get_settings().publish_grace_seconds if rings else 0.0,
    }
    notification_id = _queue(session, kind, values)
    if rings:
        publish_after_commit(session, Message(kind.task_name, (str(notification_id),), QUEUE, kind.urgent))
    return notification_id


def _queue(session: Session, kind: EmailKind, values: dict[str, Any]) -> UUID:
    try:
        return UUID(str(session.execute(QUEUE_NOTIFICATION, values).scalar_one()))
    except DBAPIError as error:
        refusal = _refusal(error, kind, str(values["dedupe_key"]))
        if refusal is None:
            raise
        raise refusal from None  # PostgreSQL's own message would show the values


def _refusal(error: DBAPIError, kind: EmailKind, dedupe_key: str) -> NotificationRefused | None:
    """What PostgreSQL's answer means to the caller; None for trouble that is not the caller's."""
    state = getattr(error.orig, "sqlstate", None)
    if state in NOT_JSON:
        return InvalidPayload(kind.name, ["payload: holds text that PostgreSQL cannot store as JSON"])
    if state == "23505":
        return DedupeConflict(dedupe_key)
    if state == "23503":
        return InvalidNotification("user_id is not a known user")
    if state == "22023":
        return InvalidNotification(str(getattr(getattr(error.orig, "diag", None), "message_primary", "the notification is not valid")))
    return None


def _plain(kind: EmailKind, payload: Json) -> Json:
    """The payload as JSON holds it: dates and ids become text."""
    try:
        plain = to_jsonable_python(payload)
    except PydanticSerializationError:
        raise InvalidPayload(kind.name, ["payload: holds a value that JSON has no form for"]) from None
    if not isinstance(plain, dict):
        raise InvalidPayload(kind.name, ["payload: must be an object"])
    return plain


def _check(dedupe_key: str, send_at: datetime | None) -> None:
    if not dedupe_key.strip() or "\0" in dedupe_key:
        raise InvalidNotification("the dedupe key is empty; name the email, for example purchase/<id>")
    if send_at is not None and send_at.tzinfo is None:
        raise InvalidNotification("send_at needs a time zone")
