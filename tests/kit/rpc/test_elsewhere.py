"""Which RPCs go to another instance, and what their callers see of it, over loopback ports."""

import asyncio
from collections import Counter

import grpc
import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto, MethodOptions
from opentelemetry.trace import SpanKind

from services.contracts.inventory_pb2 import DESCRIPTOR as INVENTORY
from tests.kit.rpc.conftest import SERVICE, Echo, call, calling, serving
from workbook_lib.kit import errors
from workbook_lib.kit.breaker import Breakers, BreakerSettings
from workbook_lib.kit.discovery import LeastOutstanding, StaticInstances, failover
from workbook_lib.kit.rpc import RpcClient
from workbook_lib.kit.rpc.elsewhere import may_repeat

NOWHERE = "127.0.0.1:1"


@pytest.fixture(scope="module", autouse=True)
def contract() -> None:
    """A contract for the service of plain bytes: `call` may be sent again, of the others it says nothing."""
    package, _, name = SERVICE.rpartition(".")
    file = FileDescriptorProto(name="test_elsewhere.proto", package=package, syntax="proto3")
    file.message_type.add(name="Nothing")
    service = file.service.add(name=name)
    for method in ("call", "absent"):
        added = service.method.add(name=method, input_type=".test.Nothing", output_type=".test.Nothing")
        if method == "call":
            added.options.idempotency_level = MethodOptions.NO_SIDE_EFFECTS
    descriptor_pool.Default().AddSerializedFile(file.SerializeToString())


def client_of(*targets: str, **options) -> RpcClient:
    from tests.kit.rpc.conftest import EchoStub

    return RpcClient(StaticInstances.at(*targets), EchoStub, timeout_seconds=5.0, **options)


def target(server) -> str:
    return f"127.0.0.1:{server.port}"


def test_the_contract_says_what_may_be_sent_again() -> None:
    assert may_repeat(f"/{SERVICE}/call")
    assert not may_repeat(f"/{SERVICE}/absent")
    assert not may_repeat("/never.heard/Of")
    assert may_repeat(f"/{INVENTORY.package}.InventoryService/GetStock".encode())


async def test_a_call_that_may_be_repeated_goes_to_another_instance(server, monkeypatch) -> None:
    monkeypatch.setattr(failover, "REST_SECONDS", 600)
    client = client_of(NOWHERE, target(server), retries=1)
    await client.start()
    assert {await call(client, "who") for _ in range(10)} == {"echo"}
    assert client.failover.retried == 1  # the one that failed is left alone
    await client.stop()


async def test_without_retries_or_without_that_promise_the_error_is_the_callers(server) -> None:
    patient, plain = client_of(NOWHERE, target(server), retries=1), client_of(NOWHERE)
    for client in (patient, plain):
        await client.start()
    with pytest.raises(errors.Unavailable, match=NOWHERE), patient.stub() as stub:
        await stub.absent(b"")
    with pytest.raises(errors.Unavailable, match=NOWHERE):
        await call(plain, "who")
    for client in (patient, plain):
        await client.stop()


async def test_the_caller_holds_an_ordinary_call_of_the_instance_that_answered(server) -> None:
    client = client_of(NOWHERE, target(server), retries=1)
    await client.start()
    with client.stub() as stub:
        made = stub.call(b"hello", metadata=(("x-mine", "yes"),))
        assert await made == b"hello"
        assert await made.code() is grpc.StatusCode.OK
        assert isinstance(await made.initial_metadata(), grpc.aio.Metadata)
    await client.stop()


async def test_when_all_fail_the_caller_sees_the_last_failure_inside_and_the_typed_error_outside() -> None:
    client = client_of(NOWHERE, "127.0.0.1:2", retries=1)
    await client.start()
    with client.stub() as stub, pytest.raises(grpc.aio.AioRpcError, match=r"127\.0\.0\.1:2"):
        await stub.call(b"")
    with pytest.raises(errors.Unavailable):
        await call(client, "")
    await client.stop()


async def test_a_services_own_error_is_not_sent_again_and_keeps_its_code(server) -> None:
    client = client_of(target(server), NOWHERE, retries=2)
    await client.start()
    with pytest.raises(errors.Conflict) as raised:
        await call(client, "own-code")
    assert (raised.value.code, client.failover.retried) == (40902, 0)
    await client.stop()


async def test_all_tries_together_end_with_the_calls_deadline(server, echo) -> None:
    async with serving(Echo("other")) as other, asyncio.timeout(5):
        client = client_of(target(server), target(other), retries=3)
        await client.start()
        with pytest.raises(errors.DeadlineExceeded):
            await call(client, "sleep 30", timeout=0.3)
        await client.stop()
    assert client.failover.retried == 0


async def test_a_cancelled_call_ends_at_the_server_and_gives_its_place_back(server, echo) -> None:
    balancer = LeastOutstanding(StaticInstances.at(target(server)))
    from tests.kit.rpc.conftest import EchoStub

    client = RpcClient(balancer, EchoStub, timeout_seconds=30, retries=1)
    await client.start()
    task = asyncio.create_task(call(client, "sleep 30"))
    await asyncio.wait_for(echo.started.wait(), 5)
    assert sum(balancer.outstanding.values()) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert balancer.outstanding == {}
    async with asyncio.timeout(5):
        while not echo.cancelled:  # noqa: ASYNC110 - only the server knows when
            await asyncio.sleep(0.01)
    await client.stop()


async def test_an_instance_with_an_open_breaker_is_passed_over(server) -> None:
    settings = BreakerSettings(request_volume_threshold=2, timeout_seconds=None, sleep_window_seconds=600)
    breakers = Breakers(settings)
    client = client_of(NOWHERE, target(server), breakers=breakers)
    await client.start()
    outcomes: Counter[str] = Counter()
    for _ in range(20):
        try:
            outcomes[await call(client, "who")] += 1
        except errors.Unavailable:
            outcomes["failed"] += 1
    assert outcomes == {"failed": 2, "echo": 18}
    await client.stop()


async def test_an_instance_that_hangs_is_left_when_its_breakers_time_is_over(server, echo) -> None:
    breakers = Breakers(BreakerSettings(timeout_seconds=0.2))
    async with serving(Echo("other")) as other:
        client = client_of(target(server), target(other), retries=1, breakers=breakers)
        await client.start()

        with pytest.raises(errors.DeadlineExceeded):
            await call(client, "sleep 30")
        assert client.failover.retried == 1
        await client.stop()


async def test_streams_work_as_without_retries(server) -> None:
    async with calling(server, retries=1) as client:
        with client.stub() as stub, pytest.raises(grpc.aio.AioRpcError):
            async for _ in stub.count(b"2"):
                pass


async def test_the_trace_shows_one_call_an_instance_tried(server, spans) -> None:
    client = client_of(NOWHERE, target(server), retries=1)
    await client.start()
    await call(client, "hello")
    await client.stop()
    made = [span for span in spans.get_finished_spans() if span.kind is SpanKind.CLIENT]
    assert [span.status.is_ok for span in made] == [False, True]
    assert {span.parent for span in made} == {None}
