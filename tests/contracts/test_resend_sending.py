"""What Resend promises about sending, asked through its own SDK."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
import resend
from resend.exceptions import MissingRequiredFieldsError, ResendError, ValidationError

Mail = resend.Emails.SendParams

pytestmark = pytest.mark.usefixtures("resend_server")


def test_a_mail_is_taken_and_named_by_a_uuid(mail: Mail) -> None:
    email_id = resend.Emails.send(mail)["id"]
    assert str(UUID(email_id)) == email_id


def test_a_taken_mail_can_be_read_back(mail: Mail) -> None:
    email_id = resend.Emails.send(mail)["id"]
    found = resend.Emails.get(email_id)
    assert (found["id"], found["subject"], found["to"]) == (email_id, mail["subject"], ["delivered@resend.dev"])
    assert found["last_event"]


def test_an_id_nobody_has_is_not_found() -> None:
    with pytest.raises(ResendError) as refused:
        resend.Emails.get(str(uuid4()))
    assert (refused.value.code, refused.value.error_type) == (404, "not_found")


def test_two_mails_without_a_key_are_two_mails(mail: Mail) -> None:
    assert resend.Emails.send(mail)["id"] != resend.Emails.send(mail)["id"]


@pytest.mark.parametrize("missing", ["from", "to", "subject"])
def test_a_mail_without_a_required_field_is_refused_by_name(mail: Mail, missing: str) -> None:
    incomplete: dict[str, Any] = {name: value for name, value in mail.items() if name != missing}
    with pytest.raises(MissingRequiredFieldsError, match=f"`{missing}`") as refused:
        resend.Emails.send(incomplete)  # type: ignore[arg-type]
    assert (refused.value.code, refused.value.error_type) == (422, "missing_required_field")


def test_a_mail_that_says_nothing_is_refused(mail: Mail) -> None:
    empty: dict[str, Any] = {name: value for name, value in mail.items() if name not in {"html", "text"}}
    with pytest.raises(ResendError) as refused:
        resend.Emails.send(empty)  # type: ignore[arg-type]
    assert refused.value.code == 422


@pytest.mark.parametrize("address", ["nobody", "no body@example.com", "a@b", "Name <nobody>", "ü@example.com"])
def test_an_address_that_is_none_is_refused(mail: Mail, address: str) -> None:
    with pytest.raises(ValidationError, match="`to`") as refused:
        resend.Emails.send({**mail, "to": [address]})
    assert (refused.value.code, refused.value.error_type) == (422, "validation_error")


def test_a_sender_that_is_no_address_is_refused(mail: Mail) -> None:
    with pytest.raises(ResendError) as refused:
        resend.Emails.send({**mail, "from": "Shop"})
    assert (refused.value.code, refused.value.error_type) == (422, "invalid_from_address")


def test_more_than_fifty_recipients_are_refused(mail: Mail) -> None:
    with pytest.raises(ValidationError):
        resend.Emails.send({**mail, "to": [f"delivered+{number}@resend.dev" for number in range(51)]})


def test_a_tag_with_other_characters_is_refused(mail: Mail) -> None:
    with pytest.raises(ValidationError):
        resend.Emails.send({**mail, "tags": [{"name": "kind", "value": "a purchase"}]})


def test_no_key_at_all_is_told_apart_from_a_wrong_one(mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resend, "api_key", "")
    with pytest.raises(ResendError) as refused:
        resend.Emails.send(mail)
    assert (refused.value.code, refused.value.error_type) == (401, "missing_api_key")
