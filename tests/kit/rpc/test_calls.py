"""Calls over a loopback port: errors, deadlines and the choice of instances."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Container

import grpc
import pytest

from tests.kit.rpc.conftest import Echo, EchoStub, call, calling, serving
from workbook_lib.kit import errors
from workbook_lib.kit.consul import Instance
from workbook_lib.kit.discovery import Instances, NoInstances, StaticInstances
from workbook_lib.kit.rpc import RpcClient, RpcServer
from workbook_lib.lab.evidence import eventually


async def test_a_call_is_answered(client: RpcClient[EchoStub]) -> None:
    assert await call(client, "hello") == "hello"


KINDS = [
    ("InvalidRequest", grpc.StatusCode.INVALID_ARGUMENT),
    ("Unauthenticated", grpc.StatusCode.UNAUTHENTICATED),
    ("Forbidden", grpc.StatusCode.PERMISSION_DENIED),
    ("NotFound", grpc.StatusCode.NOT_FOUND),
    ("Conflict", grpc.StatusCode.ALREADY_EXISTS),
    ("TooManyRequests", grpc.StatusCode.RESOURCE_EXHAUSTED),
    ("Internal", grpc.StatusCode.INTERNAL),
    ("Unavailable", grpc.StatusCode.UNAVAILABLE),
    ("DeadlineExceeded", grpc.StatusCode.DEADLINE_EXCEEDED),
    ("MethodNotAllowed", grpc.StatusCode.UNIMPLEMENTED),
    ("PayloadTooLarge", grpc.StatusCode.OUT_OF_RANGE),
    ("PreconditionFailed", grpc.StatusCode.FAILED_PRECONDITION),
    ("DependencyFailed", grpc.StatusCode.UNKNOWN),
]


@pytest.mark.parametrize(("kind", "status"), KINDS)
async def test_an_error_of_the_service_is_the_same_error_for_its_caller(
    client: RpcClient[EchoStub], kind: str, status: grpc.StatusCode
) -> None:
    expected = getattr(errors, kind)
    with pytest.raises(expected) as caught:
        await call(client, f"error {kind}")

    assert caught.value.code == expected.code
    assert str(caught.value) == (expected.public_message or f"about {kind}")
    failure = caught.value.__cause__
    assert isinstance(failure, grpc.aio.AioRpcError)
    assert failure.code() is status
    assert dict(failure.trailing_metadata())["error-code"] == str(expected.code)


async def test_an_error_code_of_the_services_own_arrives(client: RpcClient[EchoStub]) -> None:
    with pytest.raises(errors.Conflict, match="none left") as caught:
        await call(client, "own-code")
    assert caught.value.code == 40902


async def test_the_unexpected_is_logged_and_answered_internal_with_a_safe_message(
    client: RpcClient[EchoStub], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(errors.Internal) as caught:
        await call(client, "crash")
    failure = caught.value.__cause__
    assert isinstance(failure, grpc.aio.AioRpcError)
    assert failure.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in f"{failure.details()} {failure.trailing_metadata()}"
    logged = capsys.readouterr().out
    assert "unexpected error" in logged
    assert "the secret cause" in logged
    assert await call(client, "still here") == "still here"


async def test_an_abort_by_the_handler_is_passed_on(client: RpcClient[EchoStub]) -> None:
    with pytest.raises(errors.DependencyFailed, match="DATA_LOSS by hand"):
        await call(client, "abort")


async def test_a_method_that_does_not_exist_is_an_error(client: RpcClient[EchoStub]) -> None:
    with client.stub() as stub, pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.absent(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    with pytest.raises(errors.MethodNotAllowed), client.stub() as stub:
        await stub.absent(b"")


async def test_streams_carry_answers_and_then_the_error(client: RpcClient[EchoStub]) -> None:
    got: list[bytes] = []

    async def read() -> None:
        with client.stub() as stub:
            async for number in stub.count(b"3"):
                got.append(number)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(errors.NotFound, match="no more numbers"):
        await read()
    assert got == [b"0", b"1", b"2"]

    async def numbers() -> AsyncIterator[bytes]:
        for number in range(4):
            yield str(number).encode()

    with client.stub() as stub:
        assert await stub.total(numbers()) == b"6"


async def test_a_call_without_a_timeout_has_the_default_deadline_and_the_server_stops_working(
    server: RpcServer, echo: Echo
) -> None:
    async with calling(server, timeout_seconds=0.2) as client:

        async def ended_in_time() -> bool:
            started = time.monotonic()
            with pytest.raises(errors.DeadlineExceeded):
                await call(client, "sleep 60")
            assert 0.2 <= time.monotonic() - started < 1
            return echo.started.is_set()

        assert await eventually(ended_in_time)  # a machine that stands still spoils a try
        assert await eventually(lambda: echo.cancelled, interval_seconds=0.01)


async def test_a_call_may_bring_its_own_timeout(server: RpcServer) -> None:
    async with calling(server, timeout_seconds=0.05) as client:
        assert await call(client, "sleep 0.2", timeout=20) == "sleep 0.2"


async def test_a_call_made_for_a_call_ends_with_the_first_ones_deadline(
    server: RpcServer, echo: Echo
) -> None:
    behind = Echo("behind")
    async with (
        serving(behind) as second,
        calling(second, timeout_seconds=60) as echo.onward,
        calling(server, timeout_seconds=0.3) as client,
    ):
        while not behind.started.is_set():  # the deadline may pass before the call has arrived
            with pytest.raises(errors.DeadlineExceeded):
                await call(client, "onward sleep 60")
        async with asyncio.timeout(20):
            while not behind.cancelled:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def test_an_instance_that_is_not_there_is_unavailable_and_named() -> None:
    client = RpcClient(StaticInstances.at("127.0.0.1:1"), EchoStub, timeout_seconds=5)
    await client.start()
    with pytest.raises(errors.Unavailable, match=r"127\.0\.0\.1:1"):
        await call(client, "hello")
    await client.stop()


async def test_an_instance_that_came_back_is_used_again(server: RpcServer, echo: Echo) -> None:
    async with calling(server) as client:
        assert await call(client, "who") == "echo"
        port = server.port
        await server.stop(0)
        with pytest.raises(errors.Unavailable):
            await call(client, "who")
        async with serving(Echo("again"), port), asyncio.timeout(20):
            while True:
                with contextlib.suppress(errors.Unavailable):
                    assert await call(client, "who") == "again"
                    break
                await asyncio.sleep(0.05)


async def test_calls_go_to_the_instances_in_turn() -> None:
    async with serving(Echo("a")) as a, serving(Echo("b")) as b, calling(a, b) as client:
        taken = Counter([await call(client, "who") for _ in range(20)])
    assert taken == {"a": 10, "b": 10}


async def test_channels_are_reused_and_those_to_instances_that_left_are_closed() -> None:
    class Changing:
        def __init__(self, server: RpcServer) -> None:
            self.point_to(server)

        def point_to(self, server: RpcServer) -> None:
            self.fixed = StaticInstances.at(f"127.0.0.1:{server.port}")
            self.instances = self.fixed.instances
            self.lease = self.fixed.lease

    async with serving(Echo("a")) as a, serving(Echo("b")) as b:
        changing = Changing(a)
        client = RpcClient(changing, EchoStub)
        await client.start()
        with client.stub() as first, client.stub() as again:
            assert first is again
        changing.point_to(b)
        assert await call(client, "who") == "b"
        assert set(client._connected) == {f"127.0.0.1:{b.port}"}
        await client.stop()


async def test_no_instance_and_no_start_are_errors_of_their_own(server: RpcServer) -> None:
    class Nobody(Instances):
        instances = ()

        def next(self, *, excluding: Container[str] = ()) -> Instance:
            raise NoInstances("nobody")

    client = RpcClient(Nobody(), EchoStub)
    with pytest.raises(errors.Unavailable, match="isn't started"), client.stub():
        pass
    await client.start()
    with pytest.raises(NoInstances), client.stub():
        pass
    await client.stop()
