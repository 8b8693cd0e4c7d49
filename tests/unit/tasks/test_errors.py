from __future__ import annotations

import ast
import importlib
import pkgutil
from pathlib import Path

import pytest

import tasks
from tasks.errors import Deferred, PermanentFailure, RetryLater


def _modules() -> list[str]:
    return [module.name for module in pkgutil.walk_packages(tasks.__path__, "tasks.")]


def _permanent_failures(base: type[PermanentFailure] = PermanentFailure) -> list[type[PermanentFailure]]:
    below = [found for child in base.__subclasses__() if child.__module__.startswith("tasks.") for found in _permanent_failures(child)]
    return [base, *below]


@pytest.fixture(scope="module", autouse=True)
def _everything_loaded() -> None:
    for name in _modules():
        importlib.import_module(name)


def test_every_failure_for_good_has_a_reason_that_operators_can_filter_by() -> None:
    failures = _permanent_failures()
    assert len(failures) > 5
    for failure in failures:
        assert failure.reason.replace("_", "").isalnum()
        assert failure.reason == failure.reason.lower()


def test_an_error_is_retried_later_or_given_up_or_deferred_but_never_two_of_these() -> None:
    for failure in _permanent_failures():
        assert not issubclass(failure, (RetryLater, Deferred))


def test_every_error_says_in_one_sentence_what_it_means() -> None:
    for path in (Path(tasks.__file__).parent / "errors.py", Path(tasks.__file__).parent / "redrive_errors.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                assert ast.get_docstring(node), node.name
