"""Tracing by OpenTelemetry: one provider for the process, context in headers and messages, OTLP over HTTP.

Spans exist from the start, so that an error always carries a trace id; `configure` gives them a service and a
destination.
"""

import os
from collections.abc import Iterable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanKind
from opentelemetry.util.types import AttributeValue

from workbook_lib.kit.otlp import OtlpBatchProcessor
from workbook_lib.kit.spans import start_light_span
from workbook_lib.kit.tenant import TENANT_ATTRIBUTE, TenantOnSpans, current_tenant
from workbook_lib.kit.trace_context import Baggage, TraceContext, combined

if TYPE_CHECKING:
    import httpx2

__all__ = [
    "Telemetry",
    "configure",
    "context_from_kafka",
    "current_trace_id",
    "extract",
    "inject",
    "instrument_http",
    "is_recording",
    "kafka_headers",
    "provider",
    "start_message_span",
    "start_server_span",
    "tracer",
]

_SCOPE = "workbook_lib.kit"

_propagator = CompositePropagator([TraceContext(), Baggage()])


class _Provider(trace.TracerProvider):
    """The process's provider. What stands behind it can be changed, so a tracer taken early stays good."""

    def __init__(self) -> None:
        self._sdk: TracerProvider | None = None
        self.processors: list[SpanProcessor] = []

    @property
    def sdk(self) -> TracerProvider:
        if self._sdk is None:
            self._sdk = TracerProvider(shutdown_on_exit=False)
        return self._sdk

    @sdk.setter
    def sdk(self, sdk: TracerProvider) -> None:
        self._sdk = sdk

    def get_tracer(self, *args: Any, **kwargs: Any) -> trace.Tracer:  # noqa: ANN401 - passed on as they are
        return _Tracer(self, args, kwargs)


class _Tracer(trace.Tracer):
    def __init__(self, owner: _Provider, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._owner, self._args, self._kwargs = owner, args, kwargs
        self._source: TracerProvider | None = None
        self._tracer: trace.Tracer

    def _current(self) -> trace.Tracer:
        sdk = self._owner.sdk
        if sdk is not self._source:
            self._tracer, self._source = sdk.get_tracer(*self._args, **self._kwargs), sdk
        return self._tracer

    def start_span(self, *args: Any, **kwargs: Any) -> trace.Span:  # noqa: ANN401 - passed on as they are
        return self._current().start_span(*args, **kwargs)

    def start_as_current_span(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - passed on as they are
        return self._current().start_as_current_span(*args, **kwargs)


_scope = InstrumentationScope(_SCOPE)
_provider = _Provider()
_tracer = _provider.get_tracer(_SCOPE)


class Telemetry:
    """The tracing of a process as `configure` set it up."""

    def __init__(self, sdk: TracerProvider, export: OtlpBatchProcessor | None) -> None:
        self._sdk = sdk
        self._export = export
        self.processors: list[SpanProcessor] = []
        if export is not None:
            self.add_processor(export)

    def add_processor(self, processor: SpanProcessor) -> None:
        """Hand every span that ends from now on to `processor` too (tests collect spans this way)."""
        self._sdk.add_span_processor(processor)
        self.processors.append(processor)

    def shutdown(self, timeout_seconds: float = 2.0) -> bool:
        """Flush what has been collected and end the export; False when `timeout_seconds` weren't enough.

        Blocks the calling thread. Harmless when repeated.
        """
        return self._export is None or self._export.close(timeout_seconds)


def configure(
    service: str, instance: str, otlp_endpoint: str | None, *, sample_ratio: float = 1.0
) -> Telemetry:
    """Send this process's spans as `service` to a collector's OTLP/HTTP base URL, such as http://127.0.0.1:4318.

    Without an endpoint spans exist and go nowhere. Of the traces that begin here the share `sample_ratio` is
    recorded, by the trace's id, so that everybody with the same ratio would decide alike; who continues a
    trace follows its caller's decision. At 1.0 OpenTelemetry's own variable OTEL_TRACES_SAMPLER counts.
    Configuring again, as a cell run twice does, replaces what was. Raises ValueError for an endpoint that is
    no such URL, and for a ratio that is none.
    """
    resource = Resource.create({"service.name": service, "service.instance.id": instance})
    sampler = None if sample_ratio == 1.0 else ParentBased(TraceIdRatioBased(sample_ratio))
    sdk = TracerProvider(sampler, resource, shutdown_on_exit=False)
    sdk.add_span_processor(TenantOnSpans())
    export = OtlpBatchProcessor(otlp_endpoint, resource) if otlp_endpoint else None
    running = Telemetry(sdk, export)
    _provider.sdk, _provider.processors = sdk, running.processors
    if trace.get_tracer_provider() is not _provider:
        trace.set_tracer_provider(_provider)
        propagate.set_global_textmap(_propagator)
    return running


def provider() -> trace.TracerProvider:
    """The process's tracer provider, for instrumentations that want one; good before `configure` too."""
    return _provider


def tracer() -> trace.Tracer:
    """The tracer for spans opened by hand."""
    return _tracer


def start_server_span(name: str, parent: Context, attributes: dict[str, AttributeValue]) -> trace.Span:
    """Start the span of a request that a server has got; `parent` is what `extract` found.

    It is a `LightSpan`, for every request has one. The caller makes it the current one, and ends it.
    """
    return _start_light_span(name, parent, SpanKind.SERVER, attributes)


def start_message_span(
    name: str, parent: Context, kind: SpanKind, attributes: dict[str, AttributeValue]
) -> trace.Span:
    """Start the span of a message that is sent or handled, light as a request's."""
    return _start_light_span(name, parent, kind, attributes)


def is_recording() -> bool:
    """Whether anything becomes of spans; if not, who is busy may do without them and pass contexts on."""
    return bool(_provider.processors)


def _start_light_span(
    name: str, parent: Context, kind: SpanKind, attributes: dict[str, AttributeValue]
) -> trace.Span:
    if tenant := current_tenant(parent):
        attributes[TENANT_ATTRIBUTE] = tenant
    return start_light_span(
        name,
        parent,
        kind,
        attributes,
        sdk=_provider.sdk,
        scope=_scope,
        processors=_provider.processors,
    )


def current_trace_id() -> str:
    """The trace id of the current span as 32 hex digits; empty outside any span."""
    context = trace.get_current_span().get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else ""


def inject(carrier: MutableMapping[str, str], context: Context | None = None) -> None:
    """Write `context`, by default the current one, into `carrier`: traceparent, tracestate, baggage (W3C)."""
    _propagator.inject(carrier, context)


def extract(carrier: Mapping[str, str]) -> Context:
    """The context that `carrier` brings; with a missing or malformed traceparent, one without a parent."""
    return _propagator.extract(carrier, context=Context())


def kafka_headers(context: Context | None = None) -> list[tuple[str, bytes]]:
    """A context, by default the current one, as headers of a Kafka record."""
    carrier: dict[str, str] = {}
    inject(carrier, context)
    return [(name, value.encode()) for name, value in carrier.items()]


def context_from_kafka(headers: Iterable[tuple[str, bytes]]) -> Context:
    """The context that a Kafka record's headers bring."""
    return extract(combined((name, value.decode("utf-8", "replace")) for name, value in headers))


def instrument_http(client: "httpx2.AsyncClient") -> None:
    """Trace one client: a CLIENT span a request, its context in the request's headers."""
    # Its default attribute names are from before the conventions were stable; the edge's are stable.
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http")
    from opentelemetry.instrumentation.httpx import HTTPX2ClientInstrumentor

    # Its annotation knows httpx only; it is the instrumentor for httpx2.
    HTTPX2ClientInstrumentor.instrument_client(client, tracer_provider=_provider)  # type: ignore[arg-type]
