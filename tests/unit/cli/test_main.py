from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from cli.main import PLACES, redrive


def test_help_names_every_command_with_its_purpose() -> None:
    shown = CliRunner().invoke(redrive, ["--help"]).output
    for name in PLACES:
        assert f"  {name} " in shown
    assert "Read the dead letters" in shown


@pytest.mark.parametrize("name", sorted(PLACES))
def test_every_command_can_be_loaded(name: str) -> None:
    assert CliRunner().invoke(redrive, [name, "--help"]).exit_code == 0


def test_help_answers_without_loading_celery_or_the_database() -> None:
    code = "import sys; from cli.main import redrive; redrive(['--help'], standalone_mode=False); print('celery' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "False"


def test_an_unknown_command_is_answered_with_a_usage_error() -> None:
    assert CliRunner().invoke(redrive, ["fialed"]).exit_code == 2
