"""The instrumentation's interceptors with the installed grpcio: right parents, right statuses."""

import asyncio
import contextlib

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry import baggage, context
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from tests.kit.rpc.conftest import SERVICE, Echo, call, calling
from workbook_lib.kit import errors, telemetry
from workbook_lib.kit.rpc import RpcServer


async def test_the_servers_span_is_the_child_of_the_clients_and_baggage_travels(
    server: RpcServer, echo: Echo, spans: InMemorySpanExporter
) -> None:
    async with calling(server) as client:
        with telemetry.tracer().start_as_current_span("request") as request:
            token = context.attach(baggage.set_baggage("tenant", "blue"))
            answer = await call(client, "trace")
            context.detach(token)
    await server.stop()

    trace_id = f"{request.get_span_context().trace_id:032x}"
    assert answer == f"{trace_id} blue"
    by_kind = {span.kind: span for span in spans.get_finished_spans()}
    served, called = by_kind[SpanKind.SERVER], by_kind[SpanKind.CLIENT]
    assert served.parent is not None
    assert served.parent.span_id == called.context.span_id
    assert called.parent is not None
    assert called.parent.span_id == request.get_span_context().span_id
    assert served.name.strip("/") == called.name.strip("/") == f"{SERVICE}/call"


async def test_spans_tell_failures_of_the_server_from_refusals(
    server: RpcServer, spans: InMemorySpanExporter
) -> None:
    async with calling(server) as client:
        for request in ("error NotFound", "crash"):
            with contextlib.suppress(errors.ServiceError):
                await call(client, request)
    await server.stop()

    refused, crashed = (span for span in spans.get_finished_spans() if span.kind is SpanKind.SERVER)
    assert (refused.status.status_code, len(refused.events)) == (StatusCode.UNSET, 0)
    assert crashed.status.status_code is StatusCode.ERROR
    assert [event.attributes["exception.type"] for event in crashed.events] == ["ZeroDivisionError"]


async def test_a_call_whose_caller_gives_up_ends_at_the_server_too_and_its_span_says_so(
    server: RpcServer, echo: Echo, spans: InMemorySpanExporter
) -> None:
    async with calling(server, timeout_seconds=60) as client:
        given_up = asyncio.create_task(call(client, "sleep 60"))
        await echo.started.wait()
        given_up.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await given_up
        async with asyncio.timeout(20):
            while not echo.cancelled:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    (called,) = (span for span in spans.get_finished_spans() if span.kind is SpanKind.CLIENT)
    assert (called.status.status_code, called.status.description) == (
        StatusCode.ERROR,
        "cancelled by the caller",
    )


async def test_health_and_reflection_are_not_traced(server: RpcServer, spans: InMemorySpanExporter) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    assert spans.get_finished_spans() == ()
