"""Everything we send: the registry of the kinds of email; each kind is one file in ``kinds`` with its pair of ``templates``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tasks.emails.errors import UnknownKind
from tasks.emails.parameters import Parameters

TEMPLATES = Path(__file__).parent / "templates"
NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")

_kinds: dict[str, EmailKind] = {}


@dataclass(frozen=True)
class EmailKind:
    """One kind of email: what it is made from, its subject (a line of Jinja), how often it is retried, and what it looks like.

    The body is rendered from ``<name>.html`` and ``<name>.txt`` in ``templates``; ``sample`` is what the preview shows. An ``urgent``
    one, which somebody waits for, leaves before all others, on its own.
    """

    name: str
    subject: str
    retries: int
    sample: Parameters
    urgent: bool = False
    templates: Path = TEMPLATES

    @property
    def parameters(self) -> type[Parameters]:
        """The class that the payload must fit."""
        return type(self.sample)

    @property
    def task_name(self) -> str:
        return f"tasks.send_{self.name}_email"


def register(kind: EmailKind) -> EmailKind:
    """Put the kind on the shelf; called once in each file of ``kinds``."""
    if not NAME.fullmatch(kind.name):
        raise ValueError(f"{kind.name!r} is no name for a kind of email: use lower case, digits and underscores")
    if kind.name in _kinds:
        raise ValueError(f"the kind {kind.name} is registered twice")
    if kind.retries < 0:
        raise ValueError(f"the kind {kind.name} cannot be retried {kind.retries} times")
    _kinds[kind.name] = kind
    return kind


def kind_of(name: str) -> EmailKind:
    """The kind of that name; raises ``UnknownKind``, which names all there are."""
    try:
        return _kinds[name]
    except KeyError:
        raise UnknownKind(name, known=kind_names()) from None


def urgent_kinds() -> list[str]:
    """The kinds that leave before all others."""
    return [name for name in kind_names() if _kinds[name].urgent]


def kind_names() -> list[str]:
    """Every kind on the shelf, in order of the alphabet."""
    return sorted(_kinds)
