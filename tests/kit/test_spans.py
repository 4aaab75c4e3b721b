"""The light span says what the SDK's would, and keeps its rules."""

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from workbook_lib.kit import telemetry
from workbook_lib.kit.spans import LightSpan, start_light_span

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ELSEWHERE = SpanContext(1, 2, True, TraceFlags(TraceFlags.SAMPLED))


def started(kind: str, carrier: dict[str, str], sampler=ALWAYS_ON) -> tuple[trace.Span, InMemorySpanExporter]:
    """A span of the SDK or a light one, with the same name, parent, attributes and destination."""
    exporter = InMemorySpanExporter()
    processor = SimpleSpanProcessor(exporter)
    sdk = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    sdk.add_span_processor(processor)
    parent = telemetry.extract(carrier) if carrier else Context()
    attributes = {"http.request.method": "GET", "server.port": 80}
    if kind == "sdk":
        return sdk.get_tracer("s").start_span("GET", parent, SpanKind.SERVER, attributes), exporter
    scope = InstrumentationScope("s")
    light = start_light_span(
        "GET", parent, SpanKind.SERVER, attributes, sdk=sdk, scope=scope, processors=[processor]
    )
    return light, exporter


def facts(span: ReadableSpan) -> dict:
    """Everything but ids and times, which differ."""
    return {
        "name": span.name,
        "kind": span.kind,
        "parent": span.parent,
        "flags": span.context.trace_flags,
        "state": span.context.trace_state.to_header(),
        "attributes": dict(span.attributes),
        "status": (span.status.status_code, span.status.description),
        "events": [
            (event.name, {k: v for k, v in event.attributes.items() if k != "exception.stacktrace"})
            for event in span.events
        ],
        "links": [(link.context, dict(link.attributes or {})) for link in span.links],
        "resource": span.resource,
        "scope": span.instrumentation_scope.name,
    }


def used(span: trace.Span) -> None:
    span.set_attribute("http.route", "/users/{user_id}")
    span.set_attributes({"http.response.status_code": 500, "server.port": 81})
    span.update_name("GET /users/{user_id}")
    span.add_event("retried", {"times": 2})
    span.add_link(ELSEWHERE, {"why": "because"})
    try:
        raise KeyError("gone")
    except KeyError as error:
        span.record_exception(error, {"more": True})
    span.set_status(StatusCode.ERROR, "no good")
    span.set_status(StatusCode.UNSET)
    span.end()


@pytest.mark.parametrize("carrier", [{}, {"traceparent": PARENT, "tracestate": "a=1"}])
def test_it_says_the_same_as_the_sdks_span(carrier):
    told = []
    for kind in ("sdk", "light"):
        span, exporter = started(kind, carrier)
        assert span.is_recording()
        used(span)
        (ended,) = exporter.get_finished_spans()
        assert 0 < ended.start_time <= ended.end_time
        assert ended.context == span.get_span_context()
        told.append(facts(ended))
    assert told[0] == told[1]


def test_it_continues_the_callers_trace_and_starts_one_without_a_caller():
    continued, _ = started("light", {"traceparent": PARENT})
    assert f"{continued.get_span_context().trace_id:032x}" == PARENT.split("-")[1]
    alone, other = (started("light", {})[0].get_span_context() for _ in range(2))
    assert alone.is_valid
    assert alone.trace_id != other.trace_id


def test_what_the_sampler_refuses_is_not_recorded_but_has_ids():
    span, exporter = started("light", {}, ALWAYS_OFF)
    used(span)
    assert not span.is_recording()
    assert span.get_span_context().is_valid
    assert not span.get_span_context().trace_flags.sampled
    assert exporter.get_finished_spans() == ()


def test_after_its_end_nothing_changes_and_it_ends_once():
    span, exporter = started("light", {})
    span.end()
    (ended,) = exporter.get_finished_spans()
    before = facts(ended)
    used(span)
    assert exporter.get_finished_spans() == (ended,)
    assert facts(ended) == before
    assert not span.is_recording()


def test_ok_is_a_last_word():
    span, exporter = started("light", {})
    span.set_status(Status(StatusCode.OK))
    span.set_status(StatusCode.ERROR, "too late")
    span.end()
    (ended,) = exporter.get_finished_spans()
    assert ended.status.status_code is StatusCode.OK


def test_as_a_context_manager_it_ends_with_the_block():
    span, exporter = started("light", {})
    with span as entered:
        assert entered is span
    assert len(exporter.get_finished_spans()) == 1


def test_a_server_span_goes_where_the_process_sends_its_spans_and_only_there():
    first, second = InMemorySpanExporter(), InMemorySpanExporter()
    telemetry.configure("one", "one-1", None).add_processor(SimpleSpanProcessor(first))
    telemetry.configure("two", "two-1", None).add_processor(SimpleSpanProcessor(second))
    span = telemetry.start_server_span("GET", Context(), {})
    assert isinstance(span, LightSpan)
    span.end()
    assert first.get_finished_spans() == ()
    (ended,) = second.get_finished_spans()
    assert ended.resource.attributes["service.name"] == "two"
    assert ended.kind is SpanKind.SERVER


def test_a_messages_span_has_the_kind_and_the_parent_that_it_was_given():
    exporter = InMemorySpanExporter()
    telemetry.configure("one", "one-1", None)
    assert not telemetry.is_recording()
    telemetry.configure("one", "one-1", None).add_processor(SimpleSpanProcessor(exporter))
    assert telemetry.is_recording()
    with telemetry.start_message_span("send orders", Context(), SpanKind.PRODUCER, {}) as above:
        parent = trace.set_span_in_context(above, Context())
        telemetry.start_message_span("process orders", parent, SpanKind.CONSUMER, {}).end()
    below, sent = exporter.get_finished_spans()
    assert (sent.kind, below.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    assert below.parent is not None
    assert below.parent.span_id == sent.context.span_id
