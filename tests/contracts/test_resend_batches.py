"""What Resend promises about batches, asked through its own SDK."""

from __future__ import annotations

from typing import Any

import pytest
import resend
from resend.exceptions import ResendError

Mail = resend.Emails.SendParams

pytestmark = pytest.mark.usefixtures("resend_server")


def _batch(mail: Mail, *recipients: str) -> list[Any]:
    return [{**mail, "to": [recipient], "subject": f"Number {place}"} for place, recipient in enumerate(recipients)]


def test_a_batch_is_answered_with_an_id_for_each_mail_in_order(mail: Mail) -> None:
    answer = resend.Batch.send(_batch(mail, "delivered+0@resend.dev", "delivered+1@resend.dev"))
    subjects = [resend.Emails.get(entry["id"])["subject"] for entry in answer["data"]]
    assert subjects == ["Number 0", "Number 1"]
    assert "errors" not in answer


def test_a_strict_batch_with_one_bad_mail_is_refused_whole(mail: Mail, key: str) -> None:
    with pytest.raises(ResendError) as refused:
        resend.Batch.send(_batch(mail, "delivered@resend.dev", "nobody"), {"idempotency_key": key})
    assert refused.value.code == 422


def test_a_permissive_batch_takes_the_good_mails_and_names_the_bad_ones(mail: Mail) -> None:
    batch = _batch(mail, "delivered+0@resend.dev", "nobody", "delivered+2@resend.dev")
    answer = resend.Batch.send(batch, {"batch_validation": "permissive"})
    assert [error["index"] for error in answer["errors"]] == [1]
    assert all(error["message"] for error in answer["errors"])
    assert [resend.Emails.get(entry["id"])["subject"] for entry in answer["data"]] == ["Number 0", "Number 2"]


def test_a_permissive_batch_without_a_bad_mail_has_no_errors(mail: Mail) -> None:
    answer = resend.Batch.send(_batch(mail, "delivered@resend.dev"), {"batch_validation": "permissive"})
    assert (len(answer["data"]), answer["errors"]) == (1, [])


def test_a_hundred_mails_fit_and_one_more_does_not(mail: Mail) -> None:
    batch = _batch(mail, *["delivered@resend.dev"] * 101)
    assert len(resend.Batch.send(batch[:100])["data"]) == 100
    with pytest.raises(ResendError) as refused:
        resend.Batch.send(batch)
    assert refused.value.code == 422


@pytest.mark.parametrize("field", ["attachments", "scheduled_at"])
def test_a_batch_takes_neither_attachments_nor_scheduled_mails(mail: Mail, field: str) -> None:
    value: Any = [{"filename": "a.txt", "content": "YQ=="}] if field == "attachments" else "2030-01-01T00:00:00Z"
    batch: list[Any] = [{**mail, field: value}]
    with pytest.raises(ResendError) as refused:
        resend.Batch.send(batch)
    assert refused.value.code == 422
