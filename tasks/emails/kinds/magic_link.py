"""``magic_link``: a link that signs somebody in without a password."""

from __future__ import annotations

from pydantic import HttpUrl

from tasks.emails import EmailKind, register
from tasks.emails.parameters import Count, Link, Name, Parameters


class MagicLink(Parameters):
    """The link and how long it works."""

    name: Name | None = None
    url: Link
    expires_in_minutes: Count


MAGIC_LINK = register(
    EmailKind(
        name="magic_link",
        subject="Your sign-in link for {{ shop_name }}",
        retries=3,
        urgent=True,
        sample=MagicLink(name="Alan Turing", url=HttpUrl("https://shop.example.com/sign-in/9f2c4b7ae1d04c55"), expires_in_minutes=15),
    )
)
