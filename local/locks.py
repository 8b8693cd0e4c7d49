"""File locks that the kernel lets go of when their holder ends, in whatever way it ends."""

from __future__ import annotations

import fcntl
import os
from io import FileIO
from pathlib import Path

from local.errors import FolderNotUsableError


def take(path: Path, *, shared: bool = False) -> FileIO:
    """Wait for the lock ``path`` and hold it until the returned file is closed or the last process that inherited it has ended.

    A forked child shares its parent's lock (a Celery pool keeps what its worker joined); a program started by ``exec`` does not.
    """
    file = _opened(path)
    fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
    return file


def take_if_free(path: Path, *, shared: bool = False) -> FileIO | None:
    """The same without waiting; None when somebody's lock is in the way."""
    file = _opened(path)
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def is_taken(path: Path, *, shared: bool = False) -> bool:
    """Whether somebody's lock on ``path`` keeps an exclusive (or a shared) one away now."""
    file = take_if_free(path, shared=shared)
    if file is not None:
        file.close()
    return file is None


def _opened(path: Path) -> FileIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileIO(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+")
    except OSError as error:
        raise FolderNotUsableError(f"{path.parent} cannot be used: {error.strerror}") from error
