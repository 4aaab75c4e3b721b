"""Prometheus metrics of the edge: rate, errors and duration by route template, and requests under way."""

from bisect import bisect_left
from typing import Final

from fastapi import Request, Response
from opentelemetry import trace
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder

from workbook_lib.kit import telemetry
from workbook_lib.kit.clock import SYSTEM_CLOCK
from workbook_lib.kit.reporting import UNEXPECTED_ERRORS
from workbook_lib.kit.service.requests import Answered, InFlight
from workbook_lib.kit.tenant import current_tenant

__all__ = ["Metrics"]

# Methods become labels, and anybody can invent one.
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
_DURATION_BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
# An exemplar costs five times as much as the count, and only the last one before a scrape is ever seen.
_EXEMPLAR_SECONDS: Final = 0.25
_MAX_TENANTS: Final = 200
_FURTHER_TENANTS: Final = "further"


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
        # Apart from the others: routes times tenants would be too many series.
        self._by_tenant = Counter(
            "http_tenant_requests_total", "Requests answered, by tenant.", ("tenant",), registry=self.registry
        )
        self._tenants: set[str] = set()
        self.registry.register(UNEXPECTED_ERRORS)
        # Looking up a labelled child costs more than counting in it.
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._exemplar_due: dict[tuple[Histogram, int], float] = {}

    def observe(self, answered: Answered) -> None:
        """Count one answered request. A trace that is recorded becomes its bucket's exemplar now and then."""
        method = answered.scope["method"]
        key = method if method in _METHODS else "OTHER", answered.route, answered.status
        children = self._children.get(key)
        if children is None:
            children = self._requests.labels(*key), self._duration.labels(*key[:2])
            self._children[key] = children
        requests, duration = children
        requests.inc()
        duration.observe(answered.seconds, self._exemplar(duration, answered.seconds))
        if tenant := current_tenant():
            self._count_for(tenant)

    def _exemplar(self, duration: Histogram, seconds: float) -> dict[str, str] | None:
        """The current trace, by the names that OpenTelemetry's specification gives exemplars' labels."""
        context = trace.get_current_span().get_span_context()
        if not (context.trace_flags.sampled and telemetry.is_recording()):
            return None
        bucket = duration, bisect_left(_DURATION_BUCKETS_SECONDS, seconds)
        now = SYSTEM_CLOCK.monotonic()
        if now < self._exemplar_due.get(bucket, 0.0):
            return None
        self._exemplar_due[bucket] = now + _EXEMPLAR_SECONDS
        return {
            "trace_id": trace.format_trace_id(context.trace_id),
            "span_id": trace.format_span_id(context.span_id),
        }

    def _count_for(self, tenant: str) -> None:
        if tenant not in self._tenants:
            if len(self._tenants) == _MAX_TENANTS:
                tenant = _FURTHER_TENANTS
            else:
                self._tenants.add(tenant)
        self._by_tenant.labels(tenant).inc()

    async def expose(self, request: Request) -> Response:
        """GET /metrics: OpenMetrics with exemplars for who accepts that, else Prometheus' text format."""
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(self.registry), media_type=media_type)
