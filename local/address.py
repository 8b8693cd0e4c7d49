"""Where a local server listens: a port and a password that stay with its folder."""

from __future__ import annotations

import json
import os
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from local.ports import free_port, is_free


@dataclass(frozen=True)
class Address:
    """Without a password, every user of the machine could have a superuser's session."""

    port: int
    password: str


def read_address(folder: Path) -> Address | None:
    """The address last used in ``folder``, if there is a readable one."""
    with suppress(OSError, ValueError, TypeError):
        return Address(**json.loads((folder / "address.json").read_text()))
    return None


def choose_address(folder: Path) -> Address:
    """The address of ``folder``; another port when something else listens on the old one now."""
    known = read_address(folder)
    if known and is_free(known.port):
        return known
    address = Address(free_port(), known.password if known else secrets.token_hex(16))
    path = folder / "address.json"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(asdict(address), file)
    return address
