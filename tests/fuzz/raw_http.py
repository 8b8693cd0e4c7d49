"""HTTP as anybody can write it into a socket, right or wrong."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

PATIENCE_SECONDS = 10


@dataclass(frozen=True)
class Request:
    """One request; ``head`` replaces what a well-behaved client would say about the body's length.

    ``half_close`` says that nothing more comes, for a body that is shorter than announced.
    """

    path: str = "/webhooks/stripe"
    method: str = "POST"
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""
    head: Sequence[tuple[str, str]] | None = None
    half_close: bool = False

    def encode(self) -> bytes:
        length = [("Content-Length", str(len(self.body)))] if self.head is None else self.head
        lines = [f"{self.method} {self.path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in [*length, *self.headers]]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + self.body


def send(base_url: str, request: Request) -> int | None:
    """The status of the answer; None if the server closed the connection without one."""
    address = urlsplit(base_url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=PATIENCE_SECONDS) as connection:
        try:
            connection.sendall(request.encode())
            if request.half_close:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the server may refuse before it has read everything, and its answer may be here all the same
        return _status(connection)


def _status(connection: socket.socket) -> int | None:
    answer = b""
    try:
        while b"\r\n" not in answer:
            received = connection.recv(4096)
            if not received:
                return None
            answer += received
    except (TimeoutError, ConnectionResetError):
        return None
    return int(answer.split(b" ", 2)[1])


def chunked(body: bytes, sizes: Sequence[int]) -> bytes:
    """``body`` in chunks of these sizes, the rest in one more."""
    encoded, place = b"", 0
    for size in [*sizes, len(body)]:
        chunk = body[place : place + size]
        place += size
        if chunk:
            encoded += f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n"
    return encoded + b"0\r\n\r\n"
