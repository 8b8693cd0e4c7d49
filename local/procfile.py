"""The Procfile: what each process of a deployment runs."""

from __future__ import annotations

from pathlib import Path

from honcho.environ import parse_procfile

PROCFILE = Path(__file__).resolve().parent.parent / "Procfile"
ONE_OFF = "release"


def read_procfile(path: Path = PROCFILE) -> dict[str, str]:
    """Each process's name and command line, in the file's order; ``release`` is among them."""
    return dict(parse_procfile(path.read_text()).processes)


def shell_command(line: str) -> list[str]:
    """The line as a platform's shell runs it, but in place of that shell: signals then reach the program itself.

    ``env`` takes the assignments in front of the command, which ``exec`` does not.
    """
    return ["/bin/sh", "-c", f"exec env {line}"]
