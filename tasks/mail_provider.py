"""Handing one mail to Resend through its SDK, whose errors are translated here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import resend
from resend.exceptions import NoContentError, ResendError

from settings import get_settings
from tasks.resend_answers import translate
from tasks.resend_client import PooledClient
from tasks.resend_errors import NoClearAnswer

_http_client = PooledClient()


@dataclass(frozen=True)
class Mail:
    """One mail as it goes out; ``reference`` is the notification's id, by which the provider's webhooks are matched."""

    reference: str
    kind: str
    idempotency_key: str
    sender: str
    reply_to: str
    recipient: str
    subject: str
    html: str
    text: str


def send(mail: Mail) -> str:
    """The provider's id of the mail that it took; raises one of ``tasks.resend_errors``."""
    _configure()
    try:
        answer: object = resend.Emails.send(_parameters(mail), {"idempotency_key": mail.idempotency_key})
    except NoContentError:
        answer = None
    except ResendError as error:
        raise translate(error, heard_at=datetime.now(UTC)) from None  # the SDK's message may hold the address
    return _id_in(answer)


def _id_in(answer: object) -> str:
    message_id = answer.get("id") if isinstance(answer, dict) else None
    if not isinstance(message_id, str) or not message_id:
        raise NoClearAnswer("Resend answered 200 without an id, so it is not known whether it took the mail", delay=timedelta())
    return message_id


def _parameters(mail: Mail) -> resend.Emails.SendParams:
    """The header keeps Gmail from folding a shop's receipts into one thread, and names the notification."""
    return {
        "from": mail.sender,
        "to": [mail.recipient],
        "reply_to": mail.reply_to,
        "subject": mail.subject,
        "html": mail.html,
        "text": mail.text,
        "headers": {"X-Entity-Ref-ID": mail.reference},
        "tags": [{"name": "notification_id", "value": mail.reference}, {"name": "kind", "value": mail.kind}],
    }


def _configure() -> None:
    """The SDK keeps these in module globals, which it filled from the environment when it was imported."""
    settings = get_settings()
    resend.api_key = settings.resend_api_key.get_secret_value()
    resend.api_url = settings.resend_api_url
    resend.default_http_client = _http_client
