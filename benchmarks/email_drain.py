"""How fast queued mails leave, in batches, one by one, and the usual way: ``python -m benchmarks.email_drain``.

Each round queues mails by SQL and drains them with the Procfile's own worker to a server that answers in 50 ms. No mail may be
accepted twice, and none may be missing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psutil
import psycopg
import redis
from rich.console import Console
from rich.table import Table

from benchmarks.cpu_meter import CpuMeter
from benchmarks.platform import BIN, platform, process
from local.procfile import read_procfile, shell_command
from simulator.control import SimulatorClient, start_simulator

ANSWER_MS = 50
LONGEST_STANDSTILL_SECONDS = 60
USUAL = [str(BIN / "celery"), "-A", "benchmarks.usual_mailer", "worker", "--pool=threads", "--concurrency=25", "--loglevel=INFO"]
WORKER = shell_command(read_procfile()["worker"])
QUEUE = """
SELECT count(queue_notification(p_type := %(kind)s, p_recipient_email := %(label)s || n || '@example.com',
    p_payload := %(payload)s, p_dedupe_key := %(label)s || n)) FROM generate_series(1, %(mails)s) AS n
"""
UNFINISHED = "SELECT count(*) FROM notifications WHERE status IN ('pending', 'running')"


@dataclass(frozen=True)
class Way:
    """A worker, or several, that drain; ``share`` of the mails are enough to measure a slow one."""

    name: str
    command: list[str]
    environ: Mapping[str, str] = field(default_factory=dict)
    share: float = 1.0
    rate_limit: int = 0
    usual: bool = False
    processes: int = 1


@dataclass(frozen=True)
class Run:
    """How long one drain took, and the CPU seconds that each group of processes used for it."""

    mails: int
    seconds: float
    cpu: dict[str, float]
    load: float

    @property
    def per_second(self) -> float:
        return self.mails / self.seconds


WAYS = (
    Way("batches of 100", WORKER),
    Way("one by one", WORKER, {"EMAIL_BATCH_SIZE": "1"}),
    Way("usual way", USUAL, share=0.1, usual=True, processes=2),
    Way("usual way, pooled connections", USUAL, {"POOLED": "1"}, share=0.1, usual=True, processes=2),
)
LIMITED = Way("batches of 100, at most 10 requests a second", WORKER, rate_limit=10)


class Bench:
    """Fresh servers, one simulated provider, and runs on them one after the other."""

    def __init__(self, environ: dict[str, str], simulator: SimulatorClient, *, kind: str, payload: dict[str, object]) -> None:
        self._environ = environ | simulator.environment() | {"WORKER_CONCURRENCY": "2"}
        self._simulator = simulator
        self._database = psycopg.connect(environ["DATABASE_URL"], autocommit=True)
        self._mail = {"kind": kind, "payload": json.dumps(payload)}
        self._runs = 0

    def drain(self, way: Way, mails: int) -> Run:
        """Queue ``mails`` and wait until none is left."""
        self._runs += 1
        self._simulator.reset()
        self._simulator.script_resend(latency_ms=ANSWER_MS, keep_bodies=False, rate_limit_per_second=way.rate_limit)
        if way.usual:
            self._queue(mails)
            self._publish_the_usual_way()
        with ExitStack() as stack:
            logs = [Path(self._environ["HOME"]) / f"worker-{self._runs}-{number}.log" for number in range(way.processes)]
            environ = self._environ | dict(way.environ)
            workers = [stack.enter_context(process([*way.command, *_name(log, way)], environ, log=log)) for log in logs]
            for log in logs:
                _wait_for(log, b" ready.")
            if not way.usual:
                self._queue(mails)
            meter, started = CpuMeter(self._groups([worker.pid for worker in workers])), time.monotonic()
            self._wait_until_drained(dict(zip(logs, workers, strict=True)))
            run = Run(mails, time.monotonic() - started, meter.used(), os.getloadavg()[0])
        self._check(mails)
        return run

    def _wait_until_drained(self, workers: Mapping[Path, subprocess.Popen[bytes]]) -> None:
        """Until none is left; fails when a worker has stopped, or when for a minute none of them has sent anything."""
        fewest, since = self._left(), time.monotonic()
        while left := self._left():
            if left < fewest:
                fewest, since = left, time.monotonic()
            stopped = [log for log, worker in workers.items() if worker.poll() is not None]
            if stopped or time.monotonic() > since + LONGEST_STANDSTILL_SECONDS:
                why = "a worker has stopped" if stopped else f"nothing was sent for {LONGEST_STANDSTILL_SECONDS} s"
                raise SystemExit(f"{left} mails are left and {why}; its log ends with:\n{_end_of([*stopped, *workers][0])}")
            time.sleep(0.1)

    def _queue(self, mails: int) -> None:
        self._database.execute(QUEUE, self._mail | {"mails": mails, "label": f"run-{self._runs}-"})

    def _publish_the_usual_way(self) -> None:
        from benchmarks.usual_mailer import app

        with app.producer_or_acquire() as producer:
            for (row_id,) in self._database.execute("SELECT id FROM notifications WHERE status = 'pending'").fetchall():
                app.send_task("usual.send", args=[str(row_id)], producer=producer)

    def _left(self) -> int:
        row = self._database.execute(UNFINISHED).fetchone()
        return row[0] if row else 0

    def _check(self, mails: int) -> None:
        summary = self._simulator.summary()
        if summary.accepted != mails or summary.duplicate_keys or summary.duplicate_dedupe_headers:
            raise SystemExit(f"{mails} mails were queued, but the provider says {summary}")
        row = self._database.execute("SELECT count(*) FROM notifications WHERE status <> 'sent'").fetchone()
        if row is None or row[0]:
            raise SystemExit(f"{row} mails did not end as sent")

    def _groups(self, workers: list[int]) -> dict[str, list[int]]:
        postgres = psutil.Process(self._database.info.backend_pid).ppid()
        with redis.Redis.from_url(self._environ["REDIS_URL"]) as client:
            broker = int(client.info("server")["process_id"])
        living = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
        [simulator] = [child.pid for child in living if "simulator" in child.cmdline()]
        return {"worker": workers, "postgres": [postgres], "redis": [broker], "simulator": [simulator]}


def _name(log: Path, way: Way) -> list[str]:
    """Two workers of one machine need names of their own."""
    return [f"--hostname={log.stem}@%h"] if way.usual else []


def _wait_for(log: Path, words: bytes, *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while words not in log.read_bytes():
        if time.monotonic() > deadline:
            raise SystemExit(f"the worker did not start; its log ends with:\n{_end_of(log)}")
        time.sleep(0.1)


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--mails", type=int, default=20_000, help="mails in each run; the usual ways get a tenth")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--kind", default="welcome")
    options.add_argument("--only", help="only the ways whose name holds this word")
    chosen = options.parse_args()
    wanted = [way for way in WAYS if (chosen.only or "") in way.name]
    runs: dict[str, list[Run]] = {}
    with ExitStack() as stack:
        environ = stack.enter_context(platform())
        from tasks.emails import kind_of, shelf  # noqa: F401 - with the settings of the platform

        payload = kind_of(chosen.kind).sample.model_dump(mode="json")
        bench = Bench(environ, stack.enter_context(start_simulator()), kind=chosen.kind, payload=payload)
        for _ in range(chosen.rounds):
            for way in wanted:
                runs.setdefault(way.name, []).append(bench.drain(way, int(chosen.mails * way.share)))
        if (chosen.only or "") in LIMITED.name:
            runs[LIMITED.name] = [bench.drain(LIMITED, chosen.mails)]
    Console(width=140).print(_table(runs))


def _table(runs: dict[str, list[Run]]) -> Table:
    table = Table("way", "mails", "mails/s", "x usual way", "CPU ms/mail: worker", "postgres", "redis", "simulator", "load")
    usual = median(run.per_second for run in runs["usual way"]) if "usual way" in runs else None
    for name, found in runs.items():
        rate = median(run.per_second for run in found)
        cpu = [
            f"{median(run.cpu[group] / run.mails * 1000 for run in found):.2f}" for group in ("worker", "postgres", "redis", "simulator")
        ]
        ratio = f"{rate / usual:.1f}" if usual else ""
        table.add_row(name, f"{found[0].mails:,}", f"{rate:,.0f}", ratio, *cpu, f"{median(run.load for run in found):.1f}")
    limited = runs.get(LIMITED.name)
    if limited:
        share = limited[0].per_second / 100 / LIMITED.rate_limit
        table.caption = f"Under a limit of 10 requests a second: {share:.1%} of what the provider allows."
    return table


if __name__ == "__main__":
    main()
