"""A load client that costs little: prepared requests over raw keep-alive sockets, one thread, one selector."""

from __future__ import annotations

import selectors
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field


@dataclass
class Load:
    """What came back: latencies in seconds (from the moment a request was due), and how many of each status."""

    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        return sum(self.statuses.values()) / self.seconds

    def percentile_ms(self, percent: float) -> float:
        """The latency that ``percent`` of the requests did not exceed, in milliseconds."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] * 1000


class _Connection:
    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.answer = b""
        self.due = 0.0

    def finished(self) -> int | None:
        """The status of a complete answer (with ``content-length``), or None."""
        head, found, body = self.answer.partition(b"\r\n\r\n")
        if not found:
            return None
        lower = head.lower()
        start = lower.find(b"content-length:") + len(b"content-length:")
        length = int(lower[start : lower.find(b"\r\n", start) if b"\r\n" in lower[start:] else len(lower)])
        return int(head[9:12]) if len(body) >= length else None


def post_request(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """The bytes of one keep-alive POST."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode() + body


def run_load(address: tuple[str, int], requests: Sequence[bytes], *, connections: int, per_second: float | None = None) -> Load:
    """Send every request once: as fast as the answers come, or at a fixed rate whatever the server does (open loop)."""
    load, waiting = Load(), _schedule(requests, per_second)
    idle = [_Connection(address) for _ in range(connections)]
    selector = selectors.DefaultSelector()
    for connection in idle:
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    started, upcoming, busy = time.perf_counter(), next(waiting, None), 0
    while upcoming is not None or busy:
        now = time.perf_counter() - started
        while upcoming is not None and idle and upcoming[0] <= now:
            connection = idle.pop()
            connection.due, connection.answer = upcoming[0] if per_second else now, b""
            connection.socket.sendall(upcoming[1])
            busy, upcoming = busy + 1, next(waiting, None)
        pause = max(0.0, upcoming[0] - now) if upcoming and idle else 10.0
        for key, _ in selector.select(pause):
            connection = key.data
            connection.answer += connection.socket.recv(65536)
            status = connection.finished()
            if status is not None:
                load.latencies.append(time.perf_counter() - started - connection.due)
                load.statuses[status] += 1
                busy -= 1
                idle.append(connection)
    load.seconds = time.perf_counter() - started
    for connection in idle:
        connection.socket.close()
    return load


def _schedule(requests: Sequence[bytes], per_second: float | None) -> Iterator[tuple[float, bytes]]:
    for number, request in enumerate(requests):
        yield (number / per_second if per_second else 0.0), request
