"""``/api/notifications``: queue an email, follow it, and cancel it while it has not left."""

from __future__ import annotations

from uuid import UUID, uuid4

from flask import Response, request
from sqlalchemy.orm import Session

from api.errors import ApiError, not_valid
from api.idempotency import KEY, idempotency_key
from api.notification_answers import NotificationAnswer, show
from api.notification_requests import NotificationRequest, example_requests, problems_in, read_notification_request
from api.openapi import Operation, documented
from api.rooms import api_room
from models.connection import transaction
from models.notification_lists import cancel, get_notification, read_promise
from tasks.emails.enqueueing import enqueue
from tasks.emails.errors import DedupeConflict, NotificationRefused

blueprint = api_room("notifications", __name__, url_prefix="/api/notifications", largest_body=256 * 1024)


@blueprint.post("")
@documented(
    Operation(
        takes=NotificationRequest,
        gives={202: NotificationAnswer, 200: NotificationAnswer},
        refuses=(409, 413, 422),
        parameters=[KEY],
        examples=example_requests(),
    )
)
def queue_notification() -> Response:
    """202 with the promised email; 200 with the same one for the same ``dedupe_key`` and body; 409 for another body."""
    wanted = read_notification_request(request.get_data(cache=False))
    key = _dedupe_key(wanted, idempotency_key())
    try:
        with transaction() as session:
            notification_id = _enqueue(session, wanted, key)
            row, fresh = read_promise(session, notification_id)
            shown = show(session, row)
    except DedupeConflict as conflict:
        raise ApiError(409, "dedupe_key_reused", f"{conflict}.") from None
    except NotificationRefused as refusal:
        raise not_valid(problems_in(refusal)) from None
    response = _answer(shown, 202 if fresh else 200)
    response.headers["Location"] = f"{blueprint.url_prefix}/{notification_id}"
    if not fresh:
        response.headers["Idempotent-Replayed"] = "true"
    return response


@blueprint.get("/<notification_id>")
@documented(Operation(gives={200: NotificationAnswer}))
def get_notification_with_timeline(notification_id: str) -> Response:
    """200 with the email as it is now and everything that happened to it."""
    with transaction() as session:
        return _answer(_shown(session, _known_id(notification_id)), 200)


@blueprint.post("/<notification_id>/cancel")
@documented(Operation(gives={200: NotificationAnswer}, refuses=(409,)))
def cancel_notification(notification_id: str) -> Response:
    """200 once it will never leave, also when it was cancelled before; 409 if it has left, may have left, or has ended."""
    known_id = _known_id(notification_id)
    with transaction() as session:
        cancelled = cancel(session, known_id, actor="api")
        shown = _shown(session, known_id)
    if not cancelled:
        message = f"The email is {shown.status}: only one that has certainly not left can be cancelled."
        raise ApiError(409, "not_cancellable", message, notification_status=shown.status)
    return _answer(shown, 200)


def _enqueue(session: Session, wanted: NotificationRequest, key: str) -> UUID:
    return enqueue(session, wanted.type, wanted.to, wanted.payload, dedupe_key=key, user_id=wanted.user_id, send_at=wanted.send_at)


def _dedupe_key(wanted: NotificationRequest, header: str | None) -> str:
    """From the body or from the header; without either nothing can be recognised as the same."""
    if wanted.dedupe_key and header and wanted.dedupe_key != header:
        raise not_valid([{"field": "Idempotency-Key", "message": "differs from dedupe_key in the body; one of the two is enough"}])
    return wanted.dedupe_key or header or f"api/{uuid4()}"


def _known_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise _not_found() from None


def _shown(session: Session, notification_id: UUID) -> NotificationAnswer:
    row = get_notification(session, notification_id)
    if row is None:
        raise _not_found()
    return show(session, row)


def _not_found() -> ApiError:
    return ApiError(404, "not_found", "There is no notification with this id.")


def _answer(shown: NotificationAnswer, status: int) -> Response:
    return Response(shown.model_dump_json(), status=status, mimetype="application/json")
