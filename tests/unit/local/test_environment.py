"""The environment of `make run` is what a platform would set, and the developer's own choices win."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from local.environment import PortTakenError, check_ports, run_environment
from local.ports import HIGHEST, LOWEST, free_port, is_free

FOLDER = Path("/somewhere/.redrive")


def test_what_is_unset_or_blank_is_filled_in() -> None:
    environ = run_environment({"PORT": " ", "PATH": "/bin"}, FOLDER)
    assert (environ["PORT"], environ["FLOWER_PORT"], environ["BIND_HOST"]) == ("8000", "5555", "127.0.0.1")
    assert environ["BEAT_SCHEDULE_FILE"] == "/somewhere/.redrive/celerybeat-schedule"


def test_another_port_is_the_public_address_too() -> None:
    assert run_environment({"PORT": "8001"}, FOLDER)["PUBLIC_URL"] == "http://127.0.0.1:8001"
    assert run_environment({"PORT": "8001", "PUBLIC_URL": "https://tunnel"}, FOLDER)["PUBLIC_URL"] == "https://tunnel"


def test_the_programs_of_this_environment_come_first() -> None:
    assert run_environment({"PATH": "/bin"}, FOLDER)["PATH"] == f"{Path(sys.executable).parent}{os.pathsep}/bin"


def test_a_port_that_is_none_is_one_sentence() -> None:
    with pytest.raises(PortTakenError, match=r"^PORT names no port; try: PORT=8001 make run$"):
        check_ports(run_environment({"PORT": "eighty"}, FOLDER))
    with pytest.raises(PortTakenError, match=r"^Port 99999 \(PORT\) cannot be opened: "):
        check_ports(run_environment({"PORT": "99999"}, FOLDER))


def test_a_free_port_lies_below_what_outgoing_connections_use() -> None:
    assert LOWEST <= free_port() <= HIGHEST < 32768
    assert is_free(free_port())
