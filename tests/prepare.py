"""``python -m tests.prepare``: get what the tests need and a package index cannot give: a Chromium to look at pages with."""

from __future__ import annotations

import os
import shutil
import subprocess

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
INSTALL_SECONDS = 600


def chromium_path() -> str | None:
    """The Chromium or Chrome of this machine."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def main() -> None:
    """Install Chromium where that is possible without asking; the browser tests skip (or fail in CI) without it."""
    if chromium_path() is not None:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        print("Browser tests need Chromium and are skipped without it; on Debian and Ubuntu: sudo apt install chromium")
        return
    print("Installing Chromium for the browser tests …", flush=True)
    if not (_apt("update") and _apt("install", "--yes", "--no-install-recommends", "chromium", "fonts-dejavu-core")):
        print("Chromium could not be installed by apt-get, so the browser tests are skipped (in CI they fail)")


def _apt(*arguments: str) -> bool:
    command = ["apt-get", "--quiet=2", *arguments]
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(command, env=environ, capture_output=True, timeout=INSTALL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


if __name__ == "__main__":
    main()
