"""Trace context in and out, and one provider that can be configured again."""

import pytest
from opentelemetry import baggage, trace
from opentelemetry.context import attach, detach
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from workbook_lib.kit import telemetry

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"


@pytest.fixture
def spans():
    exporter = InMemorySpanExporter()
    running = telemetry.configure("demo", "demo-1", None)
    running.add_processor(SimpleSpanProcessor(exporter))
    yield exporter
    running.shutdown()


def parent_of(carrier):
    return trace.get_current_span(telemetry.extract(carrier)).get_span_context()


def test_outside_any_span_there_is_no_trace_id():
    assert telemetry.current_trace_id() == ""


def test_a_span_has_a_trace_id_before_anything_is_configured():
    with telemetry.tracer().start_as_current_span("work"):
        assert len(telemetry.current_trace_id()) == 32


def test_the_context_survives_a_carrier_with_its_state_and_baggage():
    token = attach(telemetry.extract({"traceparent": PARENT, "tracestate": "a=1,b=2", "baggage": "user=7"}))
    try:
        carrier: dict[str, str] = {}
        telemetry.inject(carrier)
    finally:
        detach(token)
    assert carrier == {"traceparent": PARENT, "tracestate": "a=1,b=2", "baggage": "user=7"}


@pytest.mark.parametrize(
    "malformed",
    [
        "",
        "garbage",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID.upper()}-b7ad6b7169203331-01",
        f"ff-{TRACE_ID}-b7ad6b7169203331-01",
        f"{PARENT}-more",
        f"{PARENT},{PARENT}",
        f"00-{TRACE_ID}-b7ad6b7169203331",
    ],
)
def test_a_malformed_traceparent_is_no_parent(malformed):
    """W3C Trace Context: a traceparent that can't be parsed restarts the trace."""
    assert not parent_of({"traceparent": malformed, "tracestate": "a=1"}).is_valid


def test_a_later_version_of_traceparent_is_read_as_far_as_it_is_known():
    """W3C Trace Context, versioning: a higher version may have more at its end."""
    assert parent_of({"traceparent": f"01-{TRACE_ID}-b7ad6b7169203331-01-more"}).is_valid


def test_extracting_never_takes_the_parent_from_where_it_is_called():
    with telemetry.tracer().start_as_current_span("caller"):
        assert not parent_of({}).is_valid


def test_kafka_headers_bring_the_context_whatever_else_they_hold():
    with telemetry.tracer().start_as_current_span("send") as span:
        token = attach(baggage.set_baggage("user", "7"))
        headers = [*telemetry.kafka_headers(), ("other", b"\xff")]
        detach(token)
    context = telemetry.context_from_kafka(headers)
    assert trace.get_current_span(context).get_span_context().span_id == span.get_span_context().span_id
    assert baggage.get_baggage("user", context) == "7"


def test_a_tracer_taken_early_sends_to_what_is_configured_last(spans):
    early = telemetry.provider().get_tracer("early")
    with early.start_as_current_span("one"):
        pass
    second = InMemorySpanExporter()
    again = telemetry.configure("renamed", "renamed-1", None)
    again.add_processor(SimpleSpanProcessor(second))
    with early.start_as_current_span("two"):
        pass
    assert [span.name for span in spans.get_finished_spans()] == ["one"]
    assert [
        (span.name, span.resource.attributes["service.name"]) for span in second.get_finished_spans()
    ] == [("two", "renamed")]


def test_the_provider_is_the_one_that_other_libraries_find(spans):
    with trace.get_tracer("elsewhere").start_as_current_span("theirs"):
        pass
    assert [span.name for span in spans.get_finished_spans()] == ["theirs"]


def test_an_endpoint_that_is_no_url_is_refused():
    with pytest.raises(ValueError, match=r"127\.0\.0\.1:4318"):
        telemetry.configure("demo", "demo-1", "127.0.0.1:4318")
