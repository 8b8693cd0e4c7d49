"""How many signed Stripe events a second are acknowledged after a durable commit, and how quickly: ``python -m benchmarks.intake``."""

from __future__ import annotations

import argparse
import time
from statistics import median

import psycopg
from rich.console import Console
from rich.table import Table

from benchmarks.http_load import Load, post_request, run_load
from benchmarks.platform import BIN, platform, process, wait_for_http
from local.ports import free_port
from settings import DEVELOPMENT_SECRETS
from simulator.signing import stripe_headers
from simulator.stripe_events import Sale, build_event, encode_event

GRANIAN = [str(BIN / "granian"), "--interface", "wsgi", "--host", "127.0.0.1", "--workers", "2", "--blocking-threads", "16"]
WAYS = {
    "redrive": [*GRANIAN, "--backlog", "2048", "--no-ws", "wsgi:app"],
    "usual way": [*GRANIAN, "benchmarks.usual_receiver:app"],
    "bare Flask": [*GRANIAN, "--backlog", "2048", "--no-ws", "benchmarks.bare_receiver:app"],
}

WARM_UP, STEADY = 200, 2_000  # requests that are sent before each run and not measured, and at the steady rate


def signed_requests(count: int, *, label: str) -> list[bytes]:
    """Distinct signed ``checkout.session.completed`` events of 3 to 4 kB."""
    now, secret = time.time(), DEVELOPMENT_SECRETS["STRIPE_WEBHOOK_SECRET"]
    sample = encode_event(build_event("checkout.session.completed", Sale(purchase_id="benchmark", amount_cents=4900), created=int(now)))
    event_id = b'"evt_1' + sample.split(b'"evt_1', 1)[1].split(b'"', 1)[0] + b'"'
    bodies = (sample.replace(event_id, f'"evt_{label}_{number}"'.encode()) for number in range(count))
    return [post_request("/webhooks/stripe", body, stripe_headers(body, secret, now)) for body in bodies]


def measure(way: str, environ: dict[str, str], requests: list[bytes], *, connections: int, per_second: float | None = None) -> Load:
    """One run of one way against a freshly started web process."""
    port = free_port()
    with process([*WAYS[way], "--port", str(port)], environ):
        wait_for_http(f"http://127.0.0.1:{port}/webhooks/stripe")
        time.sleep(1)
        first = run_load(("127.0.0.1", port), requests[:WARM_UP], connections=connections)
        if set(first.statuses) != {200}:
            raise SystemExit(f"{way}: the first requests were answered {dict(first.statuses)}")
        return run_load(("127.0.0.1", port), requests[WARM_UP:], connections=connections, per_second=per_second)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--events", type=int, default=8000, help="events in each run of redrive; the usual way gets a fifth")
    options.add_argument("--connections", type=int, default=32)
    options.add_argument("--rounds", type=int, default=3)
    chosen = options.parse_args()
    console = Console()
    runs: dict[str, list[Load]] = {"redrive": [], "usual way": [], "bare Flask": [], "redrive at 200/s": []}
    with platform() as environ:
        for number in range(chosen.rounds):
            events = {"redrive": chosen.events, "usual way": chosen.events // 5, "bare Flask": chosen.events}
            for way, count in events.items():
                requests = signed_requests(count + WARM_UP, label=f"{way.replace(' ', '')}{number}")
                runs[way].append(measure(way, environ, requests, connections=chosen.connections))
            requests = signed_requests(STEADY + WARM_UP, label=f"steady{number}")
            runs["redrive at 200/s"].append(measure("redrive", environ, requests, connections=chosen.connections, per_second=200))
        _check_stored(environ, runs)
    console.print(_table(runs))
    ours, usual, bare = (median(load.per_second for load in runs[way]) for way in ("redrive", "usual way", "bare Flask"))
    console.print(
        f"Redrive acknowledges {ours / usual:.1f} times as many events as the usual way, and {ours / bare:.0%} of what bare Flask answers"
        f" without storing anything (medians of {chosen.rounds} interleaved rounds)"
    )


def _check_stored(environ: dict[str, str], runs: dict[str, list[Load]]) -> None:
    acknowledged = sum(load.statuses[200] + WARM_UP for way, loads in runs.items() if way != "bare Flask" for load in loads)
    with psycopg.connect(environ["DATABASE_URL"]) as connection:
        row = connection.execute("SELECT count(*) FROM webhook_events").fetchone()
    if row is None or row[0] != acknowledged:
        raise SystemExit(f"{acknowledged} events were acknowledged but {row} are stored")


def _table(runs: dict[str, list[Load]]) -> Table:
    table = Table("way", "acknowledged/s", "p50 ms", "p99 ms", "statuses", title="signed events of 3 to 4 kB, durable before the answer")
    for way, loads in runs.items():
        statuses = {status: sum(load.statuses[status] for load in loads) for load in loads for status in load.statuses}
        table.add_row(
            way,
            f"{median(load.per_second for load in loads):,.0f}",
            f"{median(load.percentile_ms(50) for load in loads):.1f}",
            f"{median(load.percentile_ms(99) for load in loads):.1f}",
            str(statuses),
        )
    return table


if __name__ == "__main__":
    main()
