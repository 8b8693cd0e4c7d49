"""Handing one mail to Resend through its SDK, whose errors are translated here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import redis
import resend
from resend.exceptions import NoContentError, ResendError

from settings import get_settings
from tasks.provider_circuit import State, circuit
from tasks.provider_gate import LONGEST_SLEEP, gate
from tasks.resend_answers import translate
from tasks.resend_client import Observer, PooledClient
from tasks.resend_errors import NoClearAnswer, QuotaExceeded, RateLimited

SERVER_ERROR = 500


class _Observer(Observer):
    """Whoever hears an answer tells the other workers, through Redis."""

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        gate().learn(headers)
        if status < SERVER_ERROR:
            circuit().answered()
        else:
            circuit().failed()

    def fell_silent(self) -> None:
        circuit().failed()


_http_client = PooledClient(_Observer())


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


def await_turn() -> None:
    """Return when the provider will take a mail; raises ``Deferred`` if that is not soon."""
    gate().pass_through()
    circuit().enter()


def mails_wanted() -> int | None:
    """How many waiting mails are worth publishing now: none while the provider takes none, one to try it, None for all."""
    try:
        if (gate().status().paused_for or timedelta()) > LONGEST_SLEEP:
            return 0
        return {State.CLOSED: None, State.HALF_OPEN: 1, State.OPEN: 0}[circuit().status().state]
    except redis.RedisError:
        return None


def send(mail: Mail) -> str:
    """The provider's id of the mail that it took; raises one of ``tasks.resend_errors``."""
    _configure()
    try:
        answer: object = resend.Emails.send(_parameters(mail), {"idempotency_key": mail.idempotency_key})
    except NoContentError:
        answer = None
    except ResendError as error:
        meaning = translate(error, heard_at=datetime.now(UTC))
        if isinstance(meaning, (RateLimited, QuotaExceeded)):
            gate().pause(meaning.delay, str(meaning))
        raise meaning from None  # the SDK's message may hold the address
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
