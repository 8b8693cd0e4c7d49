"""What each answer of Resend means to us: the one table that translates it into retry, wait until, or give up.

The next known case is one more row and a test; what the table does not know is retried.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import resend.exceptions

from tasks.errors import PermanentFailure, RedriveError
from tasks.mail.resend_client import NeverConnectedError
from tasks.mail.resend_errors import (
    DomainNotVerified,
    HeldBySecurityCheck,
    IdempotencyConflict,
    InvalidApiKey,
    InvalidMail,
    InvalidRecipient,
    InvalidSender,
    NoClearAnswer,
    NotReached,
    QuotaExceeded,
    RateLimited,
    Unrecognised,
    WrongAddressOfProvider,
)

LONGEST_PAUSE = timedelta(hours=1)  # a Retry-After beyond this is a mistake of the sender's
REFUSALS = frozenset(range(400, 500)) - {408, 409}  # after any other error status the provider may have done something
ADDRESS = re.compile(r"[^\s<>\"'`]+@[^\s<>\"'`]+")


@dataclass(frozen=True)
class Answer:
    """What the provider said, without personal data, and when we heard it."""

    status: int
    error_type: str
    message: str
    wait: timedelta | None
    heard_at: datetime

    def __str__(self) -> str:
        return f"Resend answered {self.status} {self.error_type}: {self.message}"


Meaning = Callable[[Answer], RedriveError]


@dataclass(frozen=True)
class Row:
    """One line of the table; ``status`` and ``words`` (in the message) narrow it down."""

    error_type: str
    meaning: Meaning
    status: int | None = None
    words: str = ""

    def fits(self, answer: Answer) -> bool:
        return self.error_type == answer.error_type and self.status in {None, answer.status} and self.words in answer.message


def _gives_up(failure: type[PermanentFailure]) -> Meaning:
    return lambda answer: failure(str(answer))


def _rate_limited(answer: Answer) -> RedriveError:
    return RateLimited(str(answer), delay=min(answer.wait or timedelta(seconds=1), LONGEST_PAUSE))


def _quota_used_up(period: str) -> Meaning:
    def defer(answer: Answer) -> RedriveError:
        until = answer.heard_at + answer.wait if answer.wait else _next_midnight(answer.heard_at)
        sentence = f"The provider's {period} quota of mails is used up; this one waits until {until:%Y-%m-%d %H:%M} UTC"
        return QuotaExceeded(sentence, delay=until - answer.heard_at)

    return defer


def _conflict(answer: Answer) -> RedriveError:
    return IdempotencyConflict(f"This mail may already have been sent with another body. {answer}")


def _no_clear_answer(answer: Answer) -> RedriveError:
    return NoClearAnswer(str(answer), delay=min(answer.wait or timedelta(), LONGEST_PAUSE))


TABLE = (
    Row("validation_error", _gives_up(DomainNotVerified), status=403),
    Row("validation_error", _gives_up(InvalidRecipient), words="`to`"),
    Row("validation_error", _gives_up(InvalidMail)),
    Row("missing_required_field", _gives_up(InvalidMail)),
    Row("missing_required_fields", _gives_up(InvalidMail)),
    Row("invalid_attachment", _gives_up(InvalidMail)),
    Row("invalid_parameter", _gives_up(InvalidMail)),
    Row("invalid_idempotency_key", _gives_up(InvalidMail)),
    Row("invalid_from_address", _gives_up(InvalidSender)),
    Row("missing_api_key", _gives_up(InvalidApiKey)),
    Row("invalid_api_key", _gives_up(InvalidApiKey)),
    Row("restricted_api_key", _gives_up(InvalidApiKey)),
    Row("invalid_access", _gives_up(InvalidApiKey)),
    Row("not_found", _gives_up(WrongAddressOfProvider)),
    Row("method_not_allowed", _gives_up(WrongAddressOfProvider)),
    Row("security_error", _gives_up(HeldBySecurityCheck)),
    Row("invalid_idempotent_request", _conflict),
    Row("concurrent_idempotent_requests", _no_clear_answer),
    Row("rate_limit_exceeded", _rate_limited),
    Row("daily_quota_exceeded", _quota_used_up("daily")),
    Row("monthly_quota_exceeded", _quota_used_up("monthly")),
)


def translate(error: resend.exceptions.ResendError, *, heard_at: datetime) -> RedriveError:
    """What to do about the SDK's error; ``heard_at`` is now, in UTC."""
    if isinstance(error.__context__, NeverConnectedError):
        return NotReached(f"Resend could not be reached: {error.__context__}", delay=timedelta())
    answer = _answer(error, heard_at)
    meaning = next((row.meaning for row in TABLE if row.fits(answer)), None)
    if meaning is not None:
        return meaning(answer)
    if answer.status in REFUSALS:
        return Unrecognised(str(answer), delay=min(answer.wait or timedelta(), LONGEST_PAUSE))
    return _no_clear_answer(answer)


def without_addresses(message: str) -> str:
    """The provider's words on one line, for logs and for operators."""
    return ADDRESS.sub("<address>", " ".join(message.split()))[:500]


def _answer(error: resend.exceptions.ResendError, heard_at: datetime) -> Answer:
    message = without_addresses(str(error.message))
    status = int(error.code) if str(error.code).isdigit() else 500
    return Answer(status, str(error.error_type), message, _retry_after(error.headers, heard_at), heard_at)


def _retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """``Retry-After`` in seconds or as a date; None if there is none that can be read."""
    text = {name.lower(): value for name, value in headers.items()}.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", text):
        return timedelta(seconds=float(text))
    try:
        return max(parsedate_to_datetime(text) - now, timedelta())
    except (ValueError, TypeError):
        return None


def _next_midnight(now: datetime) -> datetime:
    """Days end at midnight UTC. A month's quota is asked for again each day, since a billing month may begin on any."""
    return (now.astimezone(UTC) + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(minutes=1)
