"""Adding a kind of email takes one file and one pair of templates, and the guide's own example is what is tried here."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from textwrap import dedent

import pytest

import tasks.emails.shelf  # noqa: F401 - fills the shelf
from settings import Settings
from tasks import emails
from tasks.celery_app import app
from tasks.emails import EmailKind, kind_names, kind_of, register
from tasks.emails.kinds.welcome import WELCOME, Welcome
from tasks.emails.rendering import render
from tasks.mail import sending
from tasks.shelves import fill

SETTINGS = Settings.from_environment({"DATABASE_URL": "postgres://x/x", "REDIS_URL": "redis://x"})

GUIDE = Path(__file__).parents[4] / "docs" / "how-to" / "add-an-email.md"


def files_of_the_guide() -> dict[str, str]:
    """The kind, the HTML and the text template, as the guide shows them."""
    blocks = [dedent(block) for block in re.findall(r"^ +```\w*\n(.*?)^ +```", GUIDE.read_text(), re.DOTALL | re.MULTILINE)]
    return {"__init__.py": "", "invoice.py": blocks[0], "invoice.html": blocks[1], "invoice.txt": blocks[2]}


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A shelf like ``tasks/emails/kinds`` with one file on it; whatever is registered is taken off after the test."""
    before = dict(emails._kinds)
    folder = tmp_path / "extra_kinds"
    folder.mkdir()
    for name, content in files_of_the_guide().items():
        (folder / name).write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    emails._kinds.clear()
    emails._kinds.update(before)
    for module in [module for module in sys.modules if module.startswith("extra_kinds")]:
        del sys.modules[module]
    app.tasks.pop("tasks.send_invoice_email", None)


def test_one_file_and_one_pair_of_templates_make_a_kind_with_a_task_of_its_own(shelf: Path) -> None:
    fill(import_module(shelf.name))
    kind = replace(kind_of("invoice"), templates=shelf)
    mail = render(kind, kind.sample, SETTINGS)
    assert mail.subject == "Invoice 2026-0042: €120.00"
    assert "Thank you for your order." in mail.html
    assert "Total: €120.00" in mail.text
    assert SETTINGS.support_email in mail.text
    task = sending.make_kind_task(kind)
    assert (task.name, task.max_retries) == ("tasks.send_invoice_email", 3)
    assert app.amqp.router.route({}, task.name)["queue"].name == "emails"


def test_every_kind_on_the_shelf_has_its_task_with_its_own_retries() -> None:
    pinned = {
        "purchase": ("tasks.send_purchase_email", 3),
        "credit_purchase": ("tasks.send_credit_purchase_email", 3),
        "refund": ("tasks.send_refund_email", 2),
        "welcome": ("tasks.send_welcome_email", 1),
        "magic_link": ("tasks.send_magic_link_email", 3),
        "booking_confirmation": ("tasks.send_booking_confirmation_email", 3),
        "meeting_reminder": ("tasks.send_meeting_reminder_email", 3),
        "checkin_reminder": ("tasks.send_checkin_reminder_email", 3),
        "workout_reminder": ("tasks.send_workout_reminder_email", 3),
        "meal_prep_reminder": ("tasks.send_meal_prep_reminder_email", 3),
    }
    tasks = {name: (sending.task_of(name).name, sending.task_of(name).max_retries) for name in kind_names()}
    assert tasks.items() >= pinned.items(), "names that the outside relies on"
    assert set(tasks) == {path.stem for path in Path(emails.__file__).parent.glob("kinds/[a-z]*.py")}


@pytest.mark.parametrize(
    "kind",
    [
        EmailKind(name="Wel-come", subject="", retries=1, sample=Welcome()),
        WELCOME,
        EmailKind(name="fine", subject="", retries=-1, sample=Welcome()),
    ],
    ids=["name", "twice", "retries"],
)
def test_a_kind_that_cannot_be_is_refused_when_it_is_registered(kind: EmailKind) -> None:
    with pytest.raises(ValueError, match="kind"):
        register(kind)
