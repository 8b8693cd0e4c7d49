"""What Resend tells the shop about a mail afterwards: sent, delivered, bounced and so on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from secrets import token_hex
from typing import Any

from simulator.clock import Clock, iso
from simulator.courier import Courier
from simulator.mail.mailbox import Mailbox
from simulator.script import NoticeType

TEST_DOMAIN = "@resend.dev"
TEST_ADDRESSES: dict[str, tuple[NoticeType, ...]] = {
    "delivered": ("email.delivered",),
    "bounced": ("email.bounced",),
    "complained": ("email.delivered", "email.complained"),
    "suppressed": ("email.suppressed",),
}


class UnknownEmailError(Exception):
    """No mail with this id was accepted."""


class Notices:
    """Makes notices about accepted mails and hands them to the courier."""

    def __init__(self, mailbox: Mailbox, courier: Courier, clock: Clock) -> None:
        self._mailbox = mailbox
        self._courier = courier
        self._clock = clock
        self.automatic = False

    def after_acceptance(self, email_ids: Sequence[str]) -> None:
        for mail in self._mailbox.find_all(email_ids) if self.automatic else ():
            for notice in ("email.sent", *_fate_of(mail["to"][0])):
                self._send(mail, notice, {})

    def send(self, email_id: str, notice: str, details: dict[str, Any] | None = None) -> str:
        """Make one notice and begin to deliver it; the id that is returned is its ``svix-id``."""
        mail = self._mailbox.find(email_id)
        if mail is None:
            raise UnknownEmailError(f"No email with the id {email_id} was accepted.")
        return self._send(mail, notice, details or {})

    def _send(self, mail: dict[str, Any], notice: str, details: dict[str, Any]) -> str:
        message_id = f"msg_{token_hex(12)}"
        self._mailbox.note_event(mail["id"], notice.removeprefix("email."))
        self._courier.take(message_id, notice, notice_body(mail, notice, self._clock.now(), details))
        return message_id


def notice_body(mail: dict[str, Any], notice: str, at: float, details: dict[str, Any]) -> bytes:
    """The body of one notice; ``details`` replace parts of what belongs to its type, such as ``{"type": "Transient"}``."""
    data = {
        "created_at": iso(mail["accepted_at"]),
        "email_id": mail["id"],
        "from": mail["from"],
        "message_id": f"<{mail['id']}@simulator.invalid>",
        "subject": mail["subject"],
        "to": mail["to"],
    }
    if mail["tags"]:
        data["tags"] = {tag["name"]: tag["value"] for tag in mail["tags"]}
    part, content = _particulars(notice, at)
    if part:
        data[part] = content | details
    return json.dumps({"type": notice, "created_at": iso(at), "data": data}).encode()


def _particulars(notice: str, at: float) -> tuple[str, dict[str, Any]]:
    """The object that only this type of notice has, and its name."""
    match notice:
        case "email.bounced":
            codes = ["smtp; 550 5.1.1 no mailbox here by that name"]
            message = "The recipient's mail server has no such mailbox."
            return "bounce", {"message": message, "type": "Permanent", "subType": "General", "diagnosticCode": codes}
        case "email.suppressed":
            return "suppressed", {"message": "The address is on the suppression list.", "type": "OnAccountSuppressionList"}
        case "email.failed":
            return "failed", {"reason": "reached_daily_quota"}
        case "email.clicked":
            link = "http://127.0.0.1/clicked"
            return "click", {"ipAddress": "127.0.0.1", "link": link, "timestamp": iso(at), "userAgent": "Simulator"}
        case _:
            return "", {}


def _fate_of(recipient: str) -> tuple[NoticeType, ...]:
    """Resend's own test addresses, with an optional label: bounced+order42@resend.dev bounces."""
    local, at_sign, domain = recipient.lower().rpartition("@")
    if f"{at_sign}{domain}" != TEST_DOMAIN:
        return ("email.delivered",)
    return TEST_ADDRESSES.get(local.partition("+")[0], ("email.delivered",))
