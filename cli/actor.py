"""Who sits at this terminal."""

from __future__ import annotations

import getpass


def actor() -> str:
    """As the audit log calls him."""
    return f"cli:{getpass.getuser()}"
