"""Context in and out of headers, by W3C Trace Context level 2 and W3C Baggage, over each way that it goes."""

import json
import logging
import uuid

import grpc
import pytest
from fastapi import Request
from opentelemetry import baggage, context, trace
from opentelemetry.context import Context

from tests.kit.messaging.conftest import Received, running
from tests.kit.rpc.conftest import SERVICE
from tests.kit.trace_context_cases import CASES, PARENT_ID, TRACE_ID, TRACEPARENT, Sent
from workbook_lib.kit import telemetry
from workbook_lib.kit.cache import Cache
from workbook_lib.kit.messaging import Consumer, Producer, ensure_topics
from workbook_lib.kit.rpc import RpcServer
from workbook_lib.kit.service import Service
from workbook_lib.kit.settings import ServiceSettings
from workbook_lib.kit.trace_context import combined

each_case = pytest.mark.parametrize("sent", CASES, ids=[case.rule for case in CASES])


def sent_on() -> dict[str, str]:
    """What a service's next call would carry."""
    carrier: dict[str, str] = {}
    telemetry.inject(carrier)
    return carrier


def assert_follows(sent: Sent, carrier: dict[str, str]) -> None:
    version, trace_id, parent_id, flags = carrier["traceparent"].split("-")
    assert (version, flags) in {("00", "01"), ("00", "03")}
    assert (trace_id == TRACE_ID) is (sent.trace_id == TRACE_ID)
    assert int(trace_id, 16)
    assert int(parent_id, 16)
    assert (carrier.get("tracestate"), carrier.get("baggage")) == (sent.state, sent.baggage)


@each_case
async def test_over_rest(sent: Sent, spans, calling) -> None:
    service = Service(ServiceSettings(service="rest"), title="REST")

    @service.app.get("/sent-on")
    async def answer(request: Request) -> dict[str, str]:
        return sent_on()

    async with calling(service) as client:
        assert_follows(sent, (await client.get("/sent-on", headers=list(sent.headers))).json())


async def test_over_grpc(spans) -> None:
    """But for a second traceparent: gRPC's core keeps the last one, and nobody sees that there were two."""

    async def answer(_: bytes, __: grpc.aio.ServicerContext) -> bytes:
        return json.dumps(sent_on()).encode()

    def add(_: object, server: grpc.aio.Server) -> None:
        handler = grpc.method_handlers_generic_handler(
            SERVICE, {"call": grpc.unary_unary_rpc_method_handler(answer)}
        )
        server.add_generic_rpc_handlers((handler,))

    server = RpcServer("127.0.0.1", 0)
    server.add(add, object(), SERVICE)
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            call = channel.unary_unary(f"/{SERVICE}/call")
            for sent in CASES:
                if [name for name, _ in sent.headers].count("traceparent") > 1:
                    continue
                # gRPC refuses to send a tab.
                metadata = [(name, value.replace("\t", " ")) for name, value in sent.headers]
                assert_follows(sent, json.loads(await call(b"", metadata=metadata, timeout=10)))
    finally:
        await server.stop()


async def test_over_kafka(kafka_bootstrap: str, spans) -> None:
    topic = f"context-{uuid.uuid4().hex[:8]}"
    await ensure_topics(kafka_bootstrap, {topic: 1})
    seen: dict[str | None, dict[str, str]] = {}
    received = Received(lambda message: seen.update({message.key: sent_on()}))
    producer = Producer(kafka_bootstrap, client_id="test")
    await producer.start()
    async with running(Consumer(kafka_bootstrap, [topic], "context", received)):
        for number, sent in enumerate(CASES):
            headers = [(name.title(), value.encode()) for name, value in sent.headers]
            await producer.send(topic, str(number), b"", headers=headers)
        await received.count(len(CASES))
    await producer.stop()
    for number, sent in enumerate(CASES):
        assert_follows(sent, seen[str(number)])


async def test_past_redis(redis_url: str, redis, namespace: str, spans) -> None:
    """Its protocol has no place for a context: the command's span has it, and the caller's goes on."""
    cache = Cache(redis_url, namespace=namespace, timeout_seconds=10)
    await cache.start()
    for sent in CASES:
        spans.clear()
        token = context.attach(telemetry.extract(combined(sent.headers)))
        with telemetry.tracer().start_as_current_span("request") as request:
            await cache.set("key", b"value", 60)
            assert_follows(sent, sent_on())
        context.detach(token)
        command = spans.get_finished_spans()[0]
        assert command.context.trace_id == request.get_span_context().trace_id
        assert command.parent.span_id == request.get_span_context().span_id
        assert (command.context.trace_state.to_header() or None) == sent.state
        assert await redis.get(f"{namespace}:key") == b"value"
    await cache.stop()


def read(**headers: str) -> Context:
    return telemetry.extract({"traceparent": TRACEPARENT, **headers})


def state_of(header: str) -> str:
    return trace.get_current_span(read(tracestate=header)).get_span_context().trace_state.to_header()


def test_a_state_without_a_parent_is_nothing():
    """Level 2: who can't parse traceparent must not attempt to parse tracestate."""
    assert telemetry.extract({"tracestate": "a=1"}) == Context()


def test_the_random_flag_is_kept_and_no_other_is_sent_on():
    """Level 2 defines two flags; "vendors MUST set those [others] to zero"."""
    for flags, kept in (("00", "00"), ("02", "02"), ("03", "03"), ("ff", "03"), ("08", "00")):
        carrier: dict[str, str] = {}
        telemetry.inject(carrier, telemetry.extract({"traceparent": f"{TRACEPARENT[:-2]}{flags}"}))
        assert carrier["traceparent"] == f"00-{TRACE_ID}-{PARENT_ID}-{kept}"


def test_a_state_too_long_loses_whole_members_long_ones_first_and_then_from_its_end():
    """Level 2: "Entries larger than 128 characters long SHOULD be removed first. Then … from the end"."""
    long = {f"long{number:02}": "x" * 256 for number in range(31)}
    short = "short=y"
    header = ",".join([*(f"{key}={value}" for key, value in long.items()), short])
    assert len(header) > 8192 - 100
    key, value = next(iter(long.items()))
    longer = header.replace(f"{key}={value}", f"{key * 30}={value}")
    kept = state_of(longer).split(",")
    assert len(state_of(longer)) <= 8192
    assert kept[-1] == short
    assert kept[:-1] == longer.split(",")[: len(kept) - 1]
    assert len(kept) < 32


def test_baggage_beyond_its_limits_loses_whole_members_from_its_end():
    """W3C Baggage: 64 members and 8192 bytes are passed on; no member is cut."""
    for size in (4000, 4092, 4093, 9000):
        members = [f"a={'x' * size}", f"b={'y' * 4094}", "c=z"]
        carrier: dict[str, str] = {}
        telemetry.inject(carrier, read(baggage=",".join(members)))
        kept = carrier.get("baggage", "")
        assert len(kept) <= 8192
        assert kept == ",".join(members[: len(kept.split(",")) if kept else 0])
    assert baggage.get_all(read(baggage="x" * 20_000)) == {}


def test_a_value_of_ours_is_encoded_and_a_key_that_cannot_be_written_is_left_out():
    own = baggage.set_baggage("name", 'Zoë, "q" %', baggage.set_baggage("not a key", "x", Context()))
    carrier: dict[str, str] = {}
    telemetry.inject(carrier, own)
    assert carrier == {"baggage": "name=Zo%C3%AB%2C%20%22q%22%20%25"}
    assert baggage.get_all(telemetry.extract(carrier)) == {"name": 'Zoë, "q" %'}


def test_nothing_that_anybody_sends_fills_the_log(caplog):
    with caplog.at_level(logging.DEBUG):
        for sent in CASES:
            telemetry.inject({}, telemetry.extract(combined(sent.headers)))
        read(tracestate="x" * 10_000, baggage="y" * 10_000)
    assert caplog.records == []
