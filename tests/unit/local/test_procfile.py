"""A line of the Procfile becomes one program, with its assignments in front of it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from local.procfile import read_procfile, shell_command


def test_lines_are_read_in_order_and_comments_are_not_lines(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("# what runs\nrelease: one --thing\nweb: PORT=${PORT:-1} two\n")
    assert read_procfile(tmp_path / "Procfile") == {"release": "one --thing", "web": "PORT=${PORT:-1} two"}


def test_the_program_itself_gets_the_signals_and_its_assignments() -> None:
    done = subprocess.run(shell_command("GREETING=hello sh -c 'echo $GREETING $PPID'"), capture_output=True, text=True, check=True)
    greeting, parent = done.stdout.split()
    assert (greeting, int(parent)) == ("hello", os.getpid())


def test_the_shell_fills_in_what_is_unset() -> None:
    command = shell_command("printf %s ${PORT:-8000}")
    assert subprocess.run(command, capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin"}).stdout == "8000"
