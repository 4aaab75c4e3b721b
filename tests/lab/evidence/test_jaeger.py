"""A trace that was sent is read back whole, from a real Jaeger."""

import uuid

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)

from workbook_lib.lab.evidence import Edge, EvidenceError, EvidenceTimeout, Hop, Jaeger


class Sender:
    """Sends spans of services that no other test knows."""

    def __init__(self, otlp_endpoint: str) -> None:
        self.mark = uuid.uuid4().hex[:8]
        self._exporter = OTLPSpanExporter(f"{otlp_endpoint}/v1/traces")

    def service(self, name: str) -> str:
        return f"{name}-{self.mark}"

    def tracer(self, name: str) -> Tracer:
        service = self.service(name)
        provider = TracerProvider(
            resource=Resource.create({"service.name": service, "service.instance.id": f"{service}-1"}),
            shutdown_on_exit=False,
        )
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        return provider.get_tracer("tests")

    def one_request(self) -> str:
        gateway, users = self.tracer("gateway"), self.tracer("users")
        http = {"http.request.method": "POST"}
        facts = {**http, "count": 3, "share": 0.5, "cached": True, "tags": ["a", "b"]}
        with gateway.start_as_current_span("POST /orders", kind=SpanKind.SERVER, attributes=facts) as root:
            link = [Link(root.get_span_context())]
            with (
                gateway.start_as_current_span("POST", kind=SpanKind.CLIENT, attributes=http),
                users.start_as_current_span(
                    "POST /users", kind=SpanKind.SERVER, attributes=http, links=link
                ) as span,
            ):
                span.add_event("cache miss", {"key": "user:1"})
                span.set_status(StatusCode.ERROR, "no such user")
        return format(root.get_span_context().trace_id, "032x")


@pytest.fixture
def sender(jaeger) -> Sender:
    return Sender(jaeger.otlp_endpoint)


async def test_a_trace_comes_back_with_everything_that_was_recorded(jaeger, sender: Sender):
    trace_id = sender.one_request()
    trace = await Jaeger(jaeger.query_url).trace(trace_id, until=lambda trace: len(trace.spans) == 3)
    root, call, answer = trace.spans
    assert trace.id == trace_id
    assert [span.kind for span in trace.spans] == ["server", "client", "server"]
    assert (root.parent_id, call.parent_id, answer.parent_id) == (None, root.id, call.id)
    assert (root.service, root.instance) == (sender.service("gateway"), sender.service("gateway") + "-1")
    assert dict(root.attributes) == {
        "http.request.method": "POST",
        "count": 3,
        "share": 0.5,
        "cached": True,
        "tags": ["a", "b"],
    }
    assert (answer.failed, answer.status_message, root.failed) == (True, "no such user", False)
    assert [(event.name, dict(event.attributes)) for event in answer.events] == [
        ("cache miss", {"key": "user:1"})
    ]
    assert [(link.trace_id, link.span_id) for link in answer.links] == [(trace_id, root.id)]
    assert 0 < answer.duration_ms < root.duration_ms
    trace.assert_parents(
        [Hop(sender.service("gateway"), "server", "http"), Hop(sender.service("users"), "server")]
    )


async def test_what_jaeger_adds_to_a_span_is_left_out(jaeger, sender: Sender):
    """Jaeger warns in an attribute about a span whose parent it doesn't know."""
    parent = NonRecordingSpan(SpanContext(uuid.uuid4().int, 0xAB, True, TraceFlags(1)))
    facts = {"http.request.method": "GET"}
    span = sender.tracer("gateway").start_span("GET", set_span_in_context(parent), attributes=facts)
    span.end()
    trace_id = format(span.get_span_context().trace_id, "032x")
    trace = await Jaeger(jaeger.query_url).trace(trace_id, until=lambda trace: True)
    assert (trace.root.parent_id, trace.root.attributes) == ("00000000000000ab", facts)


async def test_a_trace_that_stays_incomplete_ends_at_the_deadline_with_what_arrived(jaeger, sender: Sender):
    trace_id, client = sender.one_request(), Jaeger(jaeger.query_url)
    await client.trace(trace_id, until=lambda trace: len(trace.spans) == 3)
    with pytest.raises(EvidenceTimeout, match=r"not complete after 0\.3 s; what arrived is\ngateway-"):
        await client.trace(trace_id, until=lambda trace: len(trace.spans) == 4, timeout_seconds=0.3)


async def test_a_trace_that_never_arrives_ends_at_the_deadline(jaeger):
    with pytest.raises(EvidenceTimeout, match="nothing of it arrived"):
        await Jaeger(jaeger.query_url).trace("ab" * 16, until=lambda trace: True, timeout_seconds=0.2)


async def test_services_traces_and_graph(jaeger, sender: Sender):
    trace_ids = {sender.one_request(), sender.one_request()}
    client = Jaeger(jaeger.query_url)
    for trace_id in trace_ids:
        await client.trace(trace_id, until=lambda trace: len(trace.spans) == 3)
    assert {sender.service("gateway"), sender.service("users")} <= set(await client.services())
    assert {trace.id for trace in await client.traces(sender.service("users"))} == trace_ids
    assert await client.traces(sender.service("users"), limit=1) != []
    edge = Edge(sender.service("gateway"), sender.service("users"), "http", calls=2, failures=2)
    assert await client.service_graph(sender.service("users")) == [edge]
    assert edge in await client.service_graph()


async def test_a_jaeger_that_is_gone_is_named_at_once():
    with pytest.raises(EvidenceError, match=r"http://127\.0\.0\.1:9 does not answer"):
        await Jaeger("http://127.0.0.1:9").trace("ab" * 16, until=lambda trace: True)


async def test_a_wrong_question_shows_jaegers_answer(jaeger):
    with pytest.raises(EvidenceError, match="Jaeger answered 400"):
        await Jaeger(jaeger.query_url).trace("not-a-trace-id", until=lambda trace: True)
