"""``redrive email`` shows what we send without a database and without Redis."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import tasks.emails.shelf  # noqa: F401 - fills the shelf
from cli.email import email
from tasks.emails import kind_names


@pytest.mark.parametrize("kind", kind_names())
def test_the_preview_shows_every_kind_in_both_widths_with_its_text(kind: str, tmp_path: Path) -> None:
    target = tmp_path / "preview.html"
    result = CliRunner().invoke(email, ["preview", kind, "--out", str(target)])
    assert result.exit_code == 0, result.output
    page = target.read_text()
    assert 'width="760"' in page
    assert 'width="390"' in page
    assert "You get this mail because" in page
    assert page.count("<iframe") == 2


def test_one_width_is_enough_when_asked_for(tmp_path: Path) -> None:
    target = tmp_path / "preview.html"
    CliRunner().invoke(email, ["preview", "welcome", "--width", "phone", "--out", str(target)], catch_exceptions=False)
    assert 'width="760"' not in target.read_text()


def test_an_unknown_kind_is_answered_with_those_there_are() -> None:
    result = CliRunner().invoke(email, ["preview", "welcom"])
    assert result.exit_code == 2
    assert "welcome" in result.output


def test_the_list_names_every_kind() -> None:
    result = CliRunner().invoke(email, ["list"])
    assert all(kind in result.output for kind in kind_names())
