"""Values as PostgreSQL can hold them: no NUL, no half of a surrogate pair, no NaN, nothing nested without end."""

from __future__ import annotations

import math
from typing import Any

DEEPEST = 50


def storable(value: Any, *, depth: int = 0) -> Any:
    """``value`` as plain JSON for a ``jsonb`` column; what JSON has no form for becomes its text."""
    if depth > DEEPEST:
        return "..."
    if isinstance(value, dict):
        return {storable_text(str(key)): storable(item, depth=depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [storable(item, depth=depth + 1) for item in value]
    if value is None or isinstance(value, (bool, int)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return storable_text(str(value))


def storable_text(text: str) -> str:
    """``text`` for a ``text`` column."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
