"""Several sweeps at once, each in a process of its own: ``python -m tests.sweepers COUNT CHUNK`` prints their reports as JSON lines."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from multiprocessing.synchronize import Barrier

import structlog

from tasks.reminder_sweep import sweep
from tasks.reminders import sources


def run(start: Barrier, chunk: int) -> None:
    """One sweep of the whole shelf, begun when all processes are ready."""
    start.wait(30)
    report = sweep(sources(), chunk=chunk)
    os.write(sys.stdout.fileno(), f"{json.dumps(report)}\n".encode())  # one write, so that lines of several do not mix


def main() -> None:
    count, chunk = int(sys.argv[1]), int(sys.argv[2])
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    processes = multiprocessing.get_context("fork")  # imports once, connects ten times
    start = processes.Barrier(count)
    sweepers = [processes.Process(target=run, args=(start, chunk)) for _ in range(count)]
    for sweeper in sweepers:
        sweeper.start()
    for sweeper in sweepers:
        sweeper.join()
    sys.exit(any(sweeper.exitcode for sweeper in sweepers))


if __name__ == "__main__":
    main()
