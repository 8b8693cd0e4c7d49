"""Prometheus gauges read from the ledger at each scrape, so that they are true whichever process is asked."""

from __future__ import annotations

from collections.abc import Iterator

import redis
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from models.connection import transaction
from models.overview import Backlog, backlogs, unresolved_failures
from tasks.celery_app import app
from tasks.publishing import queue_length

QUEUES = tuple(queue.name for queue in app.conf.task_queues)


class LedgerCollector(Collector):
    """Backlog, age, failures and queue lengths; ``redrive_up`` says which of the two stores answered."""

    def collect(self) -> Iterator[Metric]:
        """The gauges of this moment; what cannot be read is left out rather than reported as zero."""
        up = GaugeMetricFamily("redrive_up", "Whether the store answered this scrape.", labels=["store"])
        for store, read in (("database", self._from_database), ("broker", self._from_broker)):
            try:
                yield from read()
                up.add_metric([store], 1)
            except (SQLAlchemyError, redis.RedisError):
                up.add_metric([store], 0)
        yield up

    def _from_database(self) -> list[Metric]:
        with transaction() as session:
            lanes, failures = backlogs(session), unresolved_failures(session)
        unresolved = GaugeMetricFamily("redrive_failed_operations_unresolved", "Failed operations that wait for a person.", labels=["type"])
        for operation_type, count in failures.items():
            unresolved.add_metric([operation_type], count)
        return [*_lane_gauges(lanes), unresolved]

    def _from_broker(self) -> list[Metric]:
        lengths = GaugeMetricFamily("redrive_queue_length", "Messages in Redis.", labels=["queue"])
        for queue in QUEUES:
            lengths.add_metric([queue], queue_length(queue))
        return [lengths]


def _lane_gauges(lanes: list[Backlog]) -> list[Metric]:
    rows = GaugeMetricFamily("redrive_unfinished_rows", "Work rows that are not finished.", labels=["lane", "state"])
    oldest = GaugeMetricFamily("redrive_oldest_due_seconds", "Age of the oldest row that is due and not taken.", labels=["lane"])
    for lane in lanes:
        for state, count in (("due", lane.due), ("running", lane.running), ("later", lane.later)):
            rows.add_metric([lane.lane, state], count)
        oldest.add_metric([lane.lane], lane.oldest_due_seconds)
    return [rows, oldest]
