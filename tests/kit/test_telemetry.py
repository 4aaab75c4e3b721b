"""Trace context in and out, and one provider that can be configured again."""

import pytest
from opentelemetry import baggage, trace
from opentelemetry.context import Context, attach, detach
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


@pytest.fixture(autouse=True)
def _as_before():
    """Who comes next finds everything recorded again."""
    yield
    telemetry.configure("demo", "demo-1", None)


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


def decisions(ratio: float, carriers: list[dict[str, str]]) -> list[bool]:
    """Which of these requests a service with this ratio records."""
    telemetry.configure("demo", "demo-1", None, sample_ratio=ratio)
    found = []
    for carrier in carriers:
        context = telemetry.extract(carrier)
        light = telemetry.start_server_span("request", context, {}).get_span_context()
        sdk = telemetry.tracer().start_span(
            "inside", trace.set_span_in_context(trace.NonRecordingSpan(light))
        )
        assert sdk.get_span_context().trace_flags.sampled is light.trace_flags.sampled
        found.append(light.trace_flags.sampled)
    return found


def test_of_the_traces_that_begin_here_the_set_share_is_recorded():
    assert decisions(1.0, [{}] * 20) == [True] * 20
    assert decisions(0.0, [{}] * 20) == [False] * 20
    assert 150 < sum(decisions(0.25, [{}] * 1000)) < 350, "seven standard deviations around a quarter"


def test_a_callers_decision_is_followed_whatever_the_share():
    """ParentBased: a trace is kept whole or not at all."""
    for ratio in (0.0, 0.5, 1.0):
        assert decisions(ratio, [{"traceparent": PARENT}, {"traceparent": f"{PARENT[:-2]}00"}]) == [
            True,
            False,
        ]


def test_everybody_with_the_same_share_decides_alike_and_with_a_larger_one_keeps_more():
    """TraceIdRatioBased: the decision is the id's, so that no two services need to talk about it."""

    def kept(ratio: float) -> set[int]:
        telemetry.configure("demo", "demo-1", None, sample_ratio=ratio)
        sampler = telemetry.provider().sdk.sampler
        ids = [number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128 for number in range(1, 500)]
        return {each for each in ids if sampler.should_sample(Context(), each, "x").decision.is_sampled()}

    assert kept(0.2) == kept(0.2)
    assert set() < kept(0.2) < kept(0.6) < kept(1.0)


@pytest.mark.parametrize("ratio", [-0.1, 1.1])
def test_a_share_that_is_none_is_refused(ratio):
    with pytest.raises(ValueError, match="robability"):
        telemetry.configure("demo", "demo-1", None, sample_ratio=ratio)


def test_at_a_share_of_one_opentelemetrys_own_variable_counts(monkeypatch):
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    assert decisions(1.0, [{}]) == [False]
