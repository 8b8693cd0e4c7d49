"""Handing mails to Resend through its SDK, whose errors are translated here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, cast

import orjson
import redis
import resend
from resend.exceptions import NoContentError, ResendError
from resend.request import Request

from settings import get_settings
from tasks.mail.provider_circuit import State, circuit
from tasks.mail.provider_gate import LONGEST_SLEEP, gate
from tasks.mail.resend_answers import translate, without_addresses
from tasks.mail.resend_client import Observer, PooledClient
from tasks.mail.resend_errors import NoClearAnswer, QuotaExceeded, RateLimited

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


class BatchAnswer(NamedTuple):
    """The provider's ids of the mails that it took, and why not of the others, both by their place in the request."""

    message_ids: dict[int, str]
    refusals: dict[int, str]


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
    """The provider's id of the mail that it took; raises one of ``tasks.mail.resend_errors``."""
    answer = _ask(lambda: resend.Emails.send(_parameters(mail), {"idempotency_key": mail.idempotency_key}))
    return _id_in(answer)


def encode_batch(mails: Sequence[Mail]) -> bytes:
    """The request for many mails in one call, as it is frozen."""
    return orjson.dumps([_parameters(mail) for mail in mails])


def send_batch(body: bytes, size: int, *, idempotency_key: str) -> BatchAnswer:
    """What the provider says of each of the ``size`` mails in ``body``; raises one of ``tasks.mail.resend_errors`` if it took none.

    The SDK would encode the mails anew; what is frozen are bytes, so they go past its own ``resend.Batch``.
    """
    options = {"idempotency_key": idempotency_key, "batch_validation": "permissive"}
    request: Request[Any] = Request("/emails/batch", [], "post", options, data=cast("Any", body))
    return _read_batch(_ask(request.perform_with_content), size)


def _ask(call: Callable[[], object]) -> object:
    _configure()
    try:
        return call()
    except NoContentError:
        return None
    except ResendError as error:
        meaning = translate(error, heard_at=datetime.now(UTC))
        if isinstance(meaning, (RateLimited, QuotaExceeded)):
            gate().pause(meaning.delay, str(meaning))
        raise meaning from None  # the SDK's message may hold the address


def _read_batch(answer: object, size: int) -> BatchAnswer:
    """``data`` names only the mails that were taken, in the order of the request; ``errors`` the others, by their place."""
    try:
        fields = answer if isinstance(answer, dict) else {}
        refusals = {int(item["index"]): without_addresses(str(item["message"])) for item in fields.get("errors") or []}
        taken = [place for place in range(size) if place not in refusals]
        return BatchAnswer(dict(zip(taken, map(_id_in, fields["data"]), strict=True)), refusals)
    except (LookupError, TypeError, ValueError):
        sentence = "Resend's answer does not say what became of each mail of the batch, so it is not known which ones it took"
        raise NoClearAnswer(sentence, delay=timedelta()) from None


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
