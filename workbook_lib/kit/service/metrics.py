"""Prometheus metrics of the edge: rate, errors and duration by route template, and requests under way."""

from fastapi import Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from workbook_lib.kit.reporting import UNEXPECTED_ERRORS
from workbook_lib.kit.service.requests import Answered, InFlight

__all__ = ["Metrics"]

# Methods become labels, and anybody can invent one.
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
_DURATION_BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The metrics of one app, in a registry of its own, so that several apps can live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.in_flight = InFlight()
        under_way = Gauge("http_requests_in_flight", "Requests under way.", registry=self.registry)
        under_way.set_function(lambda: self.in_flight.requests)
        self._requests = Counter(
            "http_requests_total", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self._duration = Histogram(
            "http_request_duration_seconds",
            "Time from a request's arrival to its answer's last byte.",
            ("method", "route"),
            buckets=_DURATION_BUCKETS_SECONDS,
            registry=self.registry,
        )
        self.registry.register(UNEXPECTED_ERRORS)
        # Looking up a labelled child costs more than counting in it.
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def observe(self, answered: Answered) -> None:
        """Count one answered request."""
        method = answered.scope["method"]
        key = method if method in _METHODS else "OTHER", answered.route, answered.status
        children = self._children.get(key)
        if children is None:
            children = self._requests.labels(*key), self._duration.labels(*key[:2])
            self._children[key] = children
        requests, duration = children
        requests.inc()
        duration.observe(answered.seconds)

    async def expose(self) -> Response:
        """GET /metrics, in Prometheus' text format."""
        return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)
