"""The data files know nothing of the rooms: whoever reads WHERE, HOW or WHEN needs to read nothing else."""

from __future__ import annotations

import ast
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
ALLOWED = {
    "settings.py": {"local"},  # inside a function: in development without DATABASE_URL or REDIS_URL
    "celeryconfig.py": {"beat_schedule", "settings"},
    "beat_schedule.py": set(),
    "flowerconfig.py": {"settings"},
}
OURS = ROOMS | {path.stem for path in ROOT.glob("*.py")}


@pytest.mark.parametrize("file", ALLOWED)
def test_a_data_file_imports_nothing_above_it(file: str) -> None:
    assert imported(ROOT / file) & OURS <= ALLOWED[file]


def test_settings_import_the_local_servers_only_when_they_are_needed() -> None:
    at_start = ast.parse((ROOT / "settings.py").read_text()).body
    assert not [node for node in at_start if isinstance(node, ast.ImportFrom) and str(node.module).startswith("local")]


def test_no_room_is_named_like_a_library() -> None:
    forbidden = {"celery.py", "stripe.py", "redis.py", "flask.py", "resend.py"}
    files = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")] + list(ROOT.glob("*.py"))
    assert not [path for path in files if path.name in forbidden]


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_every_file_says_in_its_first_line_what_it_is_for(room: str) -> None:
    for path in (ROOT / room).rglob("*.py"):
        says = ast.get_docstring(ast.parse(path.read_text()))
        assert says, path


@pytest.mark.parametrize("room", sorted(ROOMS | {"tests"}))
def test_no_file_is_longer_than_people_read_at_once(room: str) -> None:
    assert not [path for path in (ROOT / room).rglob("*.py") if len(path.read_text().splitlines()) > 250]


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_no_function_is_longer_than_a_screen(room: str) -> None:
    functions = [
        (path.relative_to(ROOT), node.name, (node.end_lineno or 0) - node.lineno + 1)
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert not [function for function in functions if function[2] > 40]


def test_import_contracts_watch_every_room() -> None:
    linted = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"]
    assert set(linted) == ROOMS


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(str(node.module).split(".")[0])
    return names - set(sys.stdlib_module_names)
