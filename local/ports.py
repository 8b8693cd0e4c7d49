"""Free loopback ports below the range that outgoing connections use."""

from __future__ import annotations

import errno
import random
import socket
from contextlib import closing

# Outgoing connections take ports from 32768 up. A client that keeps trying a server's port there while the server is down
# can connect to itself and hold the port for ever, so servers get theirs below.
LOWEST, HIGHEST = 20_000, 32_000


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on ``port`` now; raises ``OSError`` for a port this user may not open at all."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def free_port() -> int:
    """A port that nothing listens on; chosen at random, so that parallel callers rarely choose the same."""
    chance = random.SystemRandom()  # not the seeded generator: tests in parallel processes share its seed
    while not is_free(port := chance.randint(LOWEST, HIGHEST)):
        pass
    return port
