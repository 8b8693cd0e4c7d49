"""The checks that Resend makes before it takes a mail, in its order and with its names."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from simulator.mail.errors import ApiError

MAX_RECIPIENTS = 50
MAX_BATCH = 100
ADDRESS = re.compile(r"[^\s@<>,;:\"\\\[\]()]+@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z0-9-]{2,}")
NAMED_ADDRESS = re.compile(r"[^<>\r\n]*<\s*([^<>\s]+)\s*>\s*")
TAG_TEXT = re.compile(r"[A-Za-z0-9_-]{1,256}")


@dataclass(slots=True)
class Mail:
    """What the simulator itself needs to know of a mail that passed the checks."""

    sender: str
    recipients: list[str]
    subject: str
    headers: dict[str, str]


def check_mail(payload: object, *, in_batch: bool = False, unverified_domains: Collection[str] = ()) -> Mail:
    """The mail in ``payload``; raises ``ApiError`` with the first thing that is wrong."""
    if not isinstance(payload, dict):
        raise ApiError("validation_error", "A mail is a JSON object.")
    for name in ("from", "to", "subject"):
        if not payload.get(name):
            raise ApiError("missing_required_field", f"Missing `{name}` field.")
    if not any(isinstance(payload.get(name), str) or name == "template" for name in ("html", "text", "template") if payload.get(name)):
        raise ApiError("missing_required_field", "Missing `html` or `text` field.")
    sender = _sender(payload["from"], unverified_domains)
    recipients = [address for name in ("to", "cc", "bcc") for address in _addresses(payload, name)]
    _addresses(payload, "reply_to")
    if not isinstance(payload["subject"], str):
        raise ApiError("validation_error", "The `subject` field is a string.")
    if in_batch and any(payload.get(name) for name in ("attachments", "scheduled_at")):
        raise ApiError("validation_error", "A batch takes neither `attachments` nor `scheduled_at`.")
    _check_tags(payload.get("tags"))
    return Mail(sender, recipients, payload["subject"], _headers(payload.get("headers")))


def recipients_of(payload: object) -> list[str]:
    """Every bare address that ``payload`` names, whether or not it is valid: what rules are matched against."""
    mails = payload if isinstance(payload, list) else [payload]
    named = [mail.get("to") for mail in mails if isinstance(mail, dict)]
    entries = [entry for to in named for entry in (to if isinstance(to, list) else [to])]
    return [bare_address(entry) for entry in entries if isinstance(entry, str)]


def bare_address(text: str) -> str:
    named = NAMED_ADDRESS.fullmatch(text)
    return named.group(1) if named else text.strip()


@lru_cache(maxsize=4096)
def _is_address(text: str) -> bool:
    """Cached, since every mail of a run has the same sender."""
    address = bare_address(text)
    return bool(ADDRESS.fullmatch(address)) and address.isascii()


def _sender(value: Any, unverified_domains: Collection[str]) -> str:
    if not isinstance(value, str) or not _is_address(value):
        raise ApiError("invalid_from_address")
    domain = bare_address(value).rpartition("@")[2]
    if domain in unverified_domains:
        raise ApiError("validation_error", f"The domain {domain} is not verified.", status=403)
    return value


def _addresses(payload: dict[str, Any], name: str) -> list[str]:
    value = payload.get(name)
    if not value:
        return []
    entries = value if isinstance(value, list) else [value]
    if len(entries) > MAX_RECIPIENTS:
        raise ApiError("validation_error", f"The `{name}` field takes at most {MAX_RECIPIENTS} addresses.")
    for entry in entries:
        if not isinstance(entry, str) or not _is_address(entry):
            raise ApiError("validation_error", f"Invalid `{name}` field: an address is email@example.com or Name <email@example.com>.")
    return [bare_address(entry) for entry in entries]


def _headers(value: object) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise ApiError("validation_error", "The `headers` field is an object of strings.")
    return value


def _check_tags(value: object) -> None:
    if value is None:
        return
    entries = value if isinstance(value, list) else [value]
    for tag in entries:
        parts = (tag.get("name"), tag.get("value")) if isinstance(tag, dict) else (None, None)
        if not all(isinstance(part, str) and TAG_TEXT.fullmatch(part) for part in parts):
            raise ApiError("validation_error", "A tag is a name and a value of ASCII letters, digits, underscores and dashes.")
