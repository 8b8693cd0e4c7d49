"""A page that shows one kind of email with its sample data, as a phone and a desktop would, with the text part below."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from settings import Settings
from tasks.emails import EmailKind
from tasks.emails.rendering import render

Width = Literal["phone", "desktop"]
PIXELS: dict[Width, int] = {"desktop": 760, "phone": 390}


def preview_page(kind: EmailKind, settings: Settings, *, widths: tuple[Width, ...] = ("desktop", "phone"), time_zone: str = "UTC") -> str:
    """A complete HTML page; the mail stands in frames that run no scripts."""
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, autoescape=True)
    return environment.get_template("preview.html").render(
        kind=kind,
        settings=settings,
        mail=render(kind, kind.sample, settings, time_zone=time_zone),
        widths=[(width, PIXELS[width]) for width in widths],
    )
