"""The deployment files agree with the Procfile, with the settings and with each other."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from local.procfile import read_procfile
from settings import DEVELOPMENT_SECRETS, REQUIRED_IN_PRODUCTION, Settings

ROOT = Path(__file__).resolve().parents[2]
PROCESSES = ["release", "web", "worker", "beat", "flower"]
NOT_IN_SETTINGS = {"WEB_CONCURRENCY", "WORKER_CONCURRENCY", "BIND_HOST", "FLOWER_PORT", "BEAT_SCHEDULE_FILE", "POSTGRES_PASSWORD"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def shell_line(command: list[str]) -> str:
    """The Procfile's line inside a container's command."""
    shell, option, line = command
    assert (shell, option) == ("/bin/sh", "-c")
    return line.removeprefix("exec env ")


def test_the_procfile_names_the_five_processes_in_their_order() -> None:
    assert list(read_procfile()) == PROCESSES


@pytest.mark.parametrize("name", PROCESSES)
def test_a_line_of_the_procfile_is_one_program_that_signals_reach(name: str) -> None:
    assert not set(read_procfile()[name]) & set(";&|<>`\n")


@pytest.mark.parametrize("name", PROCESSES)
def test_compose_runs_the_procfiles_line(name: str, compose: dict[str, Any]) -> None:
    assert shell_line(compose["services"][name]["command"]).replace("$$", "$") == read_procfile()[name]


def test_the_image_runs_the_web_process_unless_told_otherwise() -> None:
    command = re.search(r"^CMD (.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert command is not None
    assert shell_line(json.loads(command[1])) == read_procfile()["web"]


def test_processes_start_after_the_servers_are_healthy_and_the_release_has_succeeded(compose: dict[str, Any]) -> None:
    for name in set(PROCESSES) - {"release"}:
        conditions = {service: wait["condition"] for service, wait in compose["services"][name]["depends_on"].items()}
        healthy = {"postgres": "service_healthy", "redis": "service_healthy"}
        assert conditions == healthy | {"release": "service_completed_successfully"}
        assert compose["services"][name]["stop_grace_period"] == "30s"


def test_every_service_of_compose_can_tell_whether_it_is_healthy(compose: dict[str, Any]) -> None:
    # The web process's check is the image's own.
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert {name for name, service in compose["services"].items() if "healthcheck" not in service} == {"web"}
    assert re.search(r"^HEALTHCHECK .*\n\s+CMD \[", dockerfile, re.MULTILINE)


def test_data_survives_in_volumes_and_redis_drops_nothing(compose: dict[str, Any]) -> None:
    mounted = {volume.split(":")[0] for service in compose["services"].values() for volume in service.get("volumes", [])}
    assert mounted == set(compose["volumes"]) == {"postgres", "redis"}
    assert {"--appendonly yes", "--maxmemory-policy noeviction"} <= {
        " ".join(pair)
        for pair in zip(compose["services"]["redis"]["command"][1::2], compose["services"]["redis"]["command"][2::2], strict=True)
    }


def test_only_the_web_process_is_open_to_the_network(compose: dict[str, Any]) -> None:
    open_to_all = {
        name for name, service in compose["services"].items() if any("127.0.0.1" not in port for port in service.get("ports", []))
    }
    assert open_to_all == {"web"}


def test_no_secret_is_written_into_a_deployment_file() -> None:
    for file in ("docker-compose.yml", "Dockerfile", "app.json", "Procfile"):
        text = (ROOT / file).read_text()
        assert not [secret for secret in DEVELOPMENT_SECRETS.values() if secret in text], file
    assert ".env" in (ROOT / ".dockerignore").read_text().splitlines()
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()


def test_the_image_does_not_run_as_root_and_holds_no_development_package() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    final = dockerfile.split("\nFROM ")[-1]
    assert re.search(r"^USER (?!root|0\b)", final, re.MULTILINE)
    assert dockerfile.count("uv sync --frozen --no-default-groups") == dockerfile.count("RUN uv sync") == 2


def test_every_file_names_the_same_python() -> None:
    pinned = (ROOT / ".python-version").read_text().strip()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={pinned}"
    assert f"ARG PYTHON_VERSION={pinned}\n" in (ROOT / "Dockerfile").read_text()


def test_app_json_starts_every_process_and_asks_for_every_secret() -> None:
    app = json.loads((ROOT / "app.json").read_text())
    assert list(app["formation"]) == [name for name in PROCESSES if name != "release"]
    from_addons = {f"{addon['as']}_URL" for addon in app["addons"]}
    assert set(REQUIRED_IN_PRODUCTION) - from_addons <= set(app["env"])
    assert set(app["env"]) <= {name.upper() for name in Settings.model_fields}
    assert app["env"]["REDRIVE_ENV"]["value"] == "production"


def documented() -> dict[str, tuple[str, str]]:
    """Each setting of .env.example with its default and the prose above it."""
    found: dict[str, tuple[str, str]] = {}
    prose: list[str] = []
    for line in (ROOT / ".env.example").read_text().splitlines():
        setting = re.fullmatch(r"# ([A-Z][A-Z0-9_]+)=(.*)", line)
        if setting:
            found[setting[1]] = (setting[2], " ".join(prose))
        prose = [*prose, line.removeprefix("# ")] if line.startswith("#") and not setting else []
    return found


def test_the_example_environment_explains_every_setting_and_no_other() -> None:
    assert set(documented()) == {name.upper() for name in Settings.model_fields} | NOT_IN_SETTINGS
    assert not [name for name, (_, prose) in documented().items() if len(prose) < 30]


def test_the_example_environment_shows_the_real_defaults() -> None:
    shown = {name: default for name, (default, _) in documented().items() if name not in NOT_IN_SETTINGS}
    usable = {name: default for name, default in shown.items() if default}
    real = Settings.from_environment({"DATABASE_URL": "postgres://host/x", "REDIS_URL": "redis://host"}).model_dump()
    real |= {
        "stripe_api_url": Settings.model_fields["stripe_api_url"].default,
        "resend_api_url": Settings.model_fields["resend_api_url"].default,
    }
    stated = Settings.from_environment({**usable, "DATABASE_URL": "postgres://host/x", "REDIS_URL": "redis://host"}).model_dump()
    assert stated == real
    assert {name for name, default in shown.items() if not default} == {
        name.upper() for name, field in Settings.model_fields.items() if name in {"database_url", "redis_url"} or field.default is None
    }
    assert isinstance(real["secret_key"], SecretStr)


def test_the_makefile_explains_every_target() -> None:
    outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # this may run under make itself
    shown = subprocess.run(["make", "help"], cwd=ROOT, env=outside, capture_output=True, text=True, check=True).stdout
    declared = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert declared is not None
    assert {line.split()[1] for line in shown.splitlines()} == set(declared[1].split())


def test_an_old_python_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "python3").write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2\n')
    (tmp_path / "python3").chmod(0o755)
    for file in ("Makefile", "pyproject.toml", "uv.lock"):
        (tmp_path / file).write_text((ROOT / file).read_text())
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "make", "echo", "test"):
        found = subprocess.run(["which", name], capture_output=True, text=True, check=True).stdout.strip()
        (tools / name).symlink_to(found)
    environ = {"PATH": f"{tmp_path}{os.pathsep}{tools}"}
    done = subprocess.run([tools / "make", "run"], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[0] == "Redrive needs Python 3.11 or newer (3.12 is best); found Python 3.9.2."
    assert done.returncode != 0


def test_continuous_integration_runs_the_tests_and_fails_with_them() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert "set -euo pipefail" in script
    assert shlex.split(script.splitlines()[-1]) == ["make", "test"]
