"""Counts requests, for `GET /metrics`: two counters for each, and three microseconds."""

import time
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from souche.api.actions import ACTIONS, SOUCHE_ACTIONS
from souche.http.exchange import Exchange

OTHER: Final = "other"
"""for unknown actions: anyone may send any name"""
KNOWN: Final = frozenset([*ACTIONS, *SOUCHE_ACTIONS])
BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class RequestMetrics:
    """The requests that this process has answered. Label values come from tables only: no account, no id."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "souche_requests",
            "Requests answered, by action (`other`: not served), HTTP status, and code of the error.",
            ["action", "status", "code"],
            registry=registry,
        )
        self._seconds = Histogram(
            "souche_request_seconds",
            "Seconds from the head of a request to its answer.",
            ["action"],
            registry=registry,
            buckets=BUCKETS,
        )

        self._counters: dict[tuple[str, int, str], tuple[Counter, Histogram]] = {}
        """by action, status and code: `labels` looks them up more slowly"""

    def count(self, exchange: Exchange) -> None:
        """A request was answered."""
        labels = (exchange.action if exchange.action in KNOWN else OTHER, exchange.status, exchange.code)
        known = self._counters.get(labels)
        if known is None:
            known = (self._requests.labels(*labels), self._seconds.labels(labels[0]))
            self._counters[labels] = known
        requests, seconds = known
        requests.inc()
        seconds.observe(time.perf_counter() - exchange.started)
