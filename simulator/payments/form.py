"""Stripe's form encoding, ``line_items[0][price_data][currency]=usd``, as nested objects and lists."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from simulator.payments.errors import StripeError

PART = re.compile(r"\[([^\[\]]*)\]")
MAX_DEPTH = 10


def nested(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The parameters as JSON would hold them; numbers and booleans stay text, as they arrive."""
    tree: dict[str, Any] = {}
    for name, value in pairs:
        first, *rest = _path(name)
        place: dict[str, Any] = tree
        for part in (first, *rest)[:-1]:
            inner = place.setdefault(part, {})
            if not isinstance(inner, dict):
                raise StripeError(f"The parameter {name} is given both as a value and as an object.", param=first)
            place = inner
        last = (first, *rest)[-1]
        place[last or str(len(place))] = value
    return {name: _with_lists(value) for name, value in tree.items()}


def whole_number(value: object, param: str) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise StripeError(f"Invalid integer: {value}", param=param, code="parameter_invalid_integer") from None


def _path(name: str) -> list[str]:
    first, bracket, _ = name.partition("[")
    parts = [first, *PART.findall(name[len(first) :])] if bracket else [name]
    if len(parts) > MAX_DEPTH:
        raise StripeError("The parameters are nested too deeply.")
    return parts


def _with_lists(value: Any) -> Any:
    """An object whose names are 0, 1, 2 … is a list."""
    if not isinstance(value, dict):
        return value
    items = {name: _with_lists(inner) for name, inner in value.items()}
    if items and all(name.isdigit() for name in items):
        return [items[name] for name in sorted(items, key=int)]
    return items
