"""Filling the shelves: imports every file of a shelf's folder, so that adding a file is all it takes."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from types import ModuleType


def fill(shelf: ModuleType) -> list[str]:
    """Import all modules of the package; returns their names in order."""
    names = sorted(info.name for info in pkgutil.iter_modules(shelf.__path__, f"{shelf.__name__}."))
    for name in names:
        import_module(name)
    return names
