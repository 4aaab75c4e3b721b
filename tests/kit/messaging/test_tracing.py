"""Rule of "Messages": traceparent and baggage travel in headers; the consumer's span continues the trace."""

import asyncio
from pathlib import Path

from opentelemetry import baggage, context
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from pydantic import BaseModel
from sqlalchemy import MetaData

from tests.kit.messaging.conftest import Received, running
from workbook_lib.kit import telemetry
from workbook_lib.kit.messaging import (
    Consumer,
    Message,
    Outbox,
    OutboxRelay,
    Outgoing,
    Producer,
    header,
)
from workbook_lib.kit.storage import Database


class Stored(BaseModel):
    n: int


def named(spans: InMemorySpanExporter, name: str) -> ReadableSpan:
    (span,) = [span for span in spans.get_finished_spans() if span.name == name]
    return span


def traceparent(span: ReadableSpan) -> str:
    return f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-{span.context.trace_flags:02x}"


async def test_the_consumers_span_continues_the_trace_and_its_handler_sees_the_baggage(
    kafka_bootstrap: str, producer: Producer, topic: str, spans: InMemorySpanExporter
) -> None:
    seen: list[tuple[object, str]] = []

    def look(message: Message) -> None:
        seen.append((baggage.get_baggage("tenant"), telemetry.current_trace_id()))
        with telemetry.tracer().start_as_current_span("inside"):
            pass

    received = Received(look)
    async with running(Consumer(kafka_bootstrap, [topic], "tracing", received)):
        with telemetry.tracer().start_as_current_span("request") as request:
            token = context.attach(baggage.set_baggage("tenant", "blue"))
            position = await producer.send(topic, "u1", b"hello")
            context.detach(token)
        (message,) = await received.count(1)

    trace_id = format(request.get_span_context().trace_id, "032x")
    assert seen == [("blue", trace_id)]
    assert header(message, "baggage") == "tenant=blue"
    send, process, inside = (named(spans, name) for name in (f"send {topic}", f"process {topic}", "inside"))
    assert header(message, "traceparent") == traceparent(send)
    assert (send.kind, process.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    assert send.parent is not None
    assert send.parent.span_id == request.get_span_context().span_id
    assert process.parent is not None
    assert process.parent.span_id == send.context.span_id
    assert inside.parent is not None
    assert inside.parent.span_id == process.context.span_id
    assert process.attributes is not None
    assert process.attributes["messaging.kafka.offset"] == position.offset
    assert process.attributes["messaging.consumer.group.name"] == "tracing"


async def test_a_message_without_or_with_a_malformed_traceparent_starts_a_trace_of_its_own(
    kafka_bootstrap: str, producer: Producer, topic: str, spans: InMemorySpanExporter
) -> None:
    received = Received()
    async with running(Consumer(kafka_bootstrap, [topic], "tracing", received)):
        await producer.send(topic, "u1", b"", headers=[("traceparent", b"00-not-a-trace")])
        await received.count(1)
    assert named(spans, f"process {topic}").parent is None


async def test_a_parked_message_keeps_its_trace_and_its_span_shows_the_failures(
    kafka_bootstrap: str, producer: Producer, topic: str, spans: InMemorySpanExporter
) -> None:
    def refuse(message: Message) -> None:
        raise ValueError("poison")

    parked = Received()
    async with (
        running(Consumer(kafka_bootstrap, [topic], "tracing", Received(refuse), attempts=2)),
        running(Consumer(kafka_bootstrap, [f"{topic}.dlq"], "parked", parked)),
    ):
        await producer.send(topic, "u1", b"poison")
        (message,) = await parked.count(1)

    process, send, send_parked = (
        named(spans, name) for name in (f"process {topic}", f"send {topic}", f"send {topic}.dlq")
    )
    assert process.status.status_code is StatusCode.ERROR
    assert [event.name for event in process.events] == ["exception", "exception"]
    assert send_parked.parent is not None
    assert send_parked.parent.span_id == process.context.span_id
    assert header(message, "traceparent") == traceparent(send)
    assert len([name for name, _ in message.headers if name == "traceparent"]) == 1


async def test_a_key_that_is_no_text_reaches_the_handler_whole_and_the_span_as_far_as_it_is_text(
    kafka_bootstrap: str, producer: Producer, topic: str, spans: InMemorySpanExporter
) -> None:
    raw = b"u\xff"
    received = Received()
    async with running(Consumer(kafka_bootstrap, [topic], "tracing", received)):
        await producer.send(topic, raw.decode(errors="surrogateescape"), b"")
        (message,) = await received.count(1)
    assert message.key is not None
    assert message.key.encode(errors="surrogateescape") == raw
    process = named(spans, f"process {topic}")
    assert process.attributes is not None
    assert process.attributes["messaging.kafka.message.key"] == "u?"


async def test_a_stored_event_is_sent_in_the_trace_that_stored_it_and_the_relays_own_work_leaves_no_span(
    kafka_bootstrap: str, topic: str, spans: InMemorySpanExporter, tmp_path: Path
) -> None:
    metadata = MetaData()
    outbox = Outbox(metadata)
    database = Database(f"sqlite:///{tmp_path}/own.db", metadata=metadata)
    await database.start()
    relay = OutboxRelay(database, outbox, Producer(kafka_bootstrap, client_id="relay"), poll_seconds=0.05)
    worker = asyncio.create_task(relay.run())
    received = Received()
    async with running(Consumer(kafka_bootstrap, [topic], "tracing", received)):
        with telemetry.tracer().start_as_current_span("request") as request:
            token = context.attach(baggage.set_baggage("tenant", "blue"))
            async with database.session() as session:
                await outbox.add(session, topic, "u1", Stored(n=1))
            context.detach(token)
        (message,) = await received.count(1)
    worker.cancel()
    await asyncio.wait([worker])
    await database.stop()

    send, process = named(spans, f"send {topic}"), named(spans, f"process {topic}")
    assert send.kind is SpanKind.PRODUCER
    assert send.parent is not None
    assert send.parent.span_id == request.get_span_context().span_id
    assert process.parent is not None
    assert process.parent.span_id == send.context.span_id
    assert header(message, "traceparent") == traceparent(send)
    assert header(message, "baggage") == "tenant=blue"
    assert len([name for name, _ in message.headers if name == "traceparent"]) == 1
    assert {span.context.trace_id for span in spans.get_finished_spans()} == {send.context.trace_id}


async def test_while_spans_go_nowhere_a_messages_context_is_that_of_who_sent_it(
    kafka_bootstrap: str, producer: Producer, topic: str
) -> None:
    telemetry.configure("test", "test-1", None)
    assert not telemetry.is_recording()
    seen: list[str] = []
    received = Received(lambda message: seen.append(telemetry.current_trace_id()))
    async with running(Consumer(kafka_bootstrap, [topic], "tracing", received)):
        await producer.send(topic, "u1", b"from nobody")
        await received.count(1)
        with telemetry.tracer().start_as_current_span("request") as request:
            await producer.send(topic, "u1", b"from a request")
            await producer.send_many([Outgoing(topic, "u1", b"from a request")])
        await received.count(3)
    assert seen == ["", *[format(request.get_span_context().trace_id, "032x")] * 2]
