"""The environment in which `make run` starts the Procfile's processes: what a platform would set, for this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from local.errors import LocalServerError
from local.ports import is_free
from settings import DEVELOPMENT_SECRETS

DEFAULTS = {
    "PORT": "8000",
    "FLOWER_PORT": "5555",
    "SIMULATOR_URL": "http://127.0.0.1:8025",
    "BIND_HOST": "127.0.0.1",  # the development secrets are public, so nobody else on the network may come in
    "FLOWER_BASIC_AUTH": DEVELOPMENT_SECRETS["FLOWER_BASIC_AUTH"],
    "PYTHONUNBUFFERED": "1",
}


class PortTakenError(LocalServerError):
    """A port that `make run` needs is in use."""


def run_environment(environ: Mapping[str, str], folder: Path) -> dict[str, str]:
    """``environ`` with what is unset filled in; files that processes write go to ``folder``."""
    given = {name: value for name, value in environ.items() if value.strip()}
    result = DEFAULTS | {"BEAT_SCHEDULE_FILE": str(folder / "celerybeat-schedule")} | given
    result.setdefault("PUBLIC_URL", f"http://127.0.0.1:{result['PORT']}")
    programs = Path(sys.executable).parent
    result["PATH"] = f"{programs}{os.pathsep}{result.get('PATH', os.defpath)}"
    return result


def check_ports(environ: Mapping[str, str]) -> None:
    """Raise one sentence for the first port that is taken or that this user may not open."""
    host = environ["BIND_HOST"]
    wanted = [
        ("PORT", environ["PORT"], host, "PORT=8001"),
        ("FLOWER_PORT", environ["FLOWER_PORT"], host, "FLOWER_PORT=5556"),
        ("SIMULATOR_URL", str(urlsplit(environ["SIMULATOR_URL"]).port), "127.0.0.1", "SIMULATOR_URL=http://127.0.0.1:8026"),
    ]
    for variable, port, address, example in wanted:
        if not port.isdigit():
            raise PortTakenError(f"{variable} names no port; try: {example} make run")
        try:
            free = is_free(int(port), address)
        except (OSError, OverflowError) as error:
            raise PortTakenError(f"Port {port} ({variable}) cannot be opened: {error}; try: {example} make run") from error
        if not free:
            raise PortTakenError(f"Port {port} is taken by another program; change {variable}, for example: {example} make run")
