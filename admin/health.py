"""``/healthz`` (the process lives), ``/readyz`` (database and broker answer) and ``/metrics`` (Prometheus)."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, jsonify
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from sqlalchemy import text

from admin.metrics import LedgerCollector
from models.connection import transaction
from tasks.publishing import redis_client

blueprint = Blueprint("health", __name__)
registry = CollectorRegistry()
registry.register(LedgerCollector())


@blueprint.get("/healthz")
def alive() -> Response:
    """200 as long as the process can answer at all."""
    return jsonify(status="alive")


@blueprint.get("/readyz")
def ready() -> tuple[Response, int]:
    """200 when both answer, else 503 with the name of what is away."""
    checks = {"database": _answers(_ask_database), "broker": _answers(_ask_broker)}
    healthy = all(state == "ok" for state in checks.values())
    return jsonify(status="ready" if healthy else "not ready", **checks), 200 if healthy else 503


@blueprint.get("/metrics")
def metrics() -> Response:
    """The backlog and the failures in Prometheus's text format."""
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _answers(ask: Callable[[], object]) -> str:
    try:
        ask()
    except Exception as error:  # noqa: BLE001 - whatever it is, the answer is "away"; the text of the error may hold a password
        return f"away ({type(error).__name__})"
    return "ok"


def _ask_database() -> None:
    with transaction() as session:
        session.execute(text("SELECT 1"))


def _ask_broker() -> None:
    redis_client(timeout_seconds=2).ping()
