"""Turning a kind and its parameters into a subject, an HTML part and a text part, with every value escaped."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, select_autoescape

from settings import Settings
from tasks.emails import TEMPLATES, EmailKind, formats
from tasks.emails.parameters import Parameters

LONGEST_SUBJECT = 200
REMEMBERED = 4_096  # of each format: prices and dates come back in mail after mail, and Babel needs a tenth of a millisecond for one
# Line breaks would begin another header; marks that turn the direction of writing could show another subject than there is.
NOT_IN_A_SUBJECT = re.compile("[\\s\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


class Rendered(NamedTuple):
    """What goes out, word for word."""

    subject: str
    html: str
    text: str


def render(kind: EmailKind, parameters: Parameters, settings: Settings, *, time_zone: str = "UTC") -> Rendered:
    """The email as one person gets it; ``time_zone`` is where that person reads times, unless the kind has a zone of its own."""
    context = _context(parameters, settings, time_zone)
    subject = one_line(_subject(kind.templates, kind.subject).render(context))
    context["subject"] = subject
    html, plain = (_template(kind.templates, f"{kind.name}.{ending}").render(context) for ending in ("html", "txt"))
    return Rendered(subject, html, plain)


def one_line(text: str) -> str:
    """A subject without line breaks and other marks that do not belong there."""
    line = NOT_IN_A_SUBJECT.sub(" ", text).strip()
    return line if len(line) <= LONGEST_SUBJECT else f"{line[: LONGEST_SUBJECT - 1]}…"


def _context(parameters: Parameters, settings: Settings, time_zone: str) -> dict[str, Any]:
    surroundings: Mapping[str, Any] = {
        "time_zone": time_zone,
        "shop_name": settings.shop_name,
        "support_email": settings.support_email,
        "public_url": settings.public_url,
    }
    return {**surroundings, **dict(parameters)}


@cache
def _subject(folder: Path, source: str) -> Template:
    return _environment(folder).from_string(source)


@cache
def _template(folder: Path, name: str) -> Template:
    return _environment(folder).get_template(name)


class _QuickEnvironment(Environment):
    """Jinja copies a template's globals for every mail, and a plain dictionary is copied ten times as fast as its ``ChainMap``."""

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        return {**self.globals, **(d or {})}


@cache
def _environment(folder: Path) -> Environment:
    """Undefined names are errors; ``.html`` templates escape every value, subjects and ``.txt`` templates are plain text."""
    environment = _QuickEnvironment(
        loader=FileSystemLoader([folder, TEMPLATES]),
        undefined=StrictUndefined,
        autoescape=select_autoescape(enabled_extensions=("html",), default=False, default_for_string=False),
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    names = ("money", "number", "day", "clock", "clock_range", "moment", "minutes", "greeting")
    environment.filters.update({name: lru_cache(REMEMBERED)(getattr(formats, name)) for name in names})
    return environment
