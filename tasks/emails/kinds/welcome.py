"""``welcome``: the first mail to somebody who signed up."""

from __future__ import annotations

from tasks.emails import EmailKind, register
from tasks.emails.parameters import Name, Parameters


class Welcome(Parameters):
    """The new customer."""

    name: Name | None = None


WELCOME = register(EmailKind(name="welcome", subject="Welcome to {{ shop_name }}", retries=1, sample=Welcome(name="Katherine Johnson")))
