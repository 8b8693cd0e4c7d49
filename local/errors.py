"""What can keep a local server from running; each message is one sentence that says what to do."""

from __future__ import annotations


class LocalServerError(Exception):
    """A local PostgreSQL or Redis server cannot run."""


class ServerMissingError(LocalServerError):
    """No program for this server is installed, or none is built for this platform."""


class FolderNotUsableError(LocalServerError):
    """The folder for the server's data cannot be used by this user."""


class DiskFullError(LocalServerError):
    """There is no room for the server's data."""


class ServerDidNotStartError(LocalServerError):
    """The server ended before it answered, or never answered."""


class NotTheMainThreadError(LocalServerError):
    """A server was started from a thread; Linux would end it together with that thread."""
