"""gRPC's own retries: of what may be repeated, within the deadline, and not against a server that is down."""

import json
from collections.abc import AsyncIterator

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool

from tests.kit.rpc.conftest import Echo, EchoStub, call, calling, serving
from workbook_lib.kit import errors
from workbook_lib.kit.rpc import RpcClient, service_config
from workbook_lib.kit.rpc.service_config import is_repeatable

ATTEMPT = "grpc-previous-rpc-attempts"


def _service() -> object:
    """`test.Echo` as a contract: `call`, `count` and `total` may be repeated, `double` may not."""
    file = descriptor_pb2.FileDescriptorProto(name="echo.proto", package="test", syntax="proto3")
    file.message_type.add(name="Bytes")
    service = file.service.add(name="Echo")
    levels = descriptor_pb2.MethodOptions
    for name, level in {
        "call": levels.NO_SIDE_EFFECTS,
        "count": levels.NO_SIDE_EFFECTS,
        "total": levels.IDEMPOTENT,
        "double": None,
    }.items():
        method = service.method.add(name=name, input_type=".test.Bytes", output_type=".test.Bytes")
        if level is not None:
            method.options.idempotency_level = level
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool.FindServiceByName("test.Echo")


def _config(**options: float) -> str:
    return service_config(_service(), first_seconds=0.01, longest_seconds=0.02, **options)


class Faltering(Echo):
    """Refuses with UNAVAILABLE so many times, and keeps which attempts it saw."""

    def __init__(self, refusals: int) -> None:
        super().__init__()
        self.refusals = refusals
        self.attempts: list[int] = []

    def _falter(self, context: grpc.aio.ServicerContext) -> None:
        self.attempts.append(int(dict(context.invocation_metadata()).get(ATTEMPT, 0)))
        if len(self.attempts) <= self.refusals:
            raise errors.Unavailable("not now")

    async def call(self, request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        self._falter(context)
        return await super().call(request, context)

    async def count(self, request: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        if request == b"late":
            yield b"0"
        self._falter(context)
        yield b"1"

    async def total(self, requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> bytes:
        self._falter(context)
        return await super().total(requests, context)

    async def double(
        self, requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext
    ) -> AsyncIterator[bytes]:
        self._falter(context)
        async for each in super().double(requests, context):
            yield each


async def _one() -> AsyncIterator[bytes]:
    yield b"1"


async def _into(got: list[bytes], client: RpcClient[EchoStub], method: str, request: object) -> None:
    """Read a stream; what came before an error counts."""
    with client.stub() as stub:
        async for each in getattr(stub, method)(request):
            got.append(each)  # noqa: PERF401


def test_the_contract_says_what_may_be_repeated() -> None:
    service = _service()
    assert [is_repeatable(method) for method in service.methods] == [True, True, True, False]
    config = json.loads(service_config(service, attempts=3))
    assert [name["method"] for name in config["methodConfig"][0]["name"]] == ["call", "count", "total"]
    assert config["methodConfig"][0]["retryPolicy"]["maxAttempts"] == 3


@pytest.mark.parametrize("attempts", [1, 6])
def test_attempts_that_grpc_would_not_make_are_refused(attempts: int) -> None:
    with pytest.raises(ValueError, match="2 to 5"):
        service_config(_service(), attempts=attempts)


async def test_a_call_that_may_be_repeated_is_until_it_succeeds() -> None:
    echo = Faltering(2)
    async with (
        serving(echo) as server,
        calling(server, timeout_seconds=5, service_config=_config()) as client,
    ):
        assert await call(client, "hello") == "hello"
    assert echo.attempts == [0, 1, 2]


async def test_it_is_not_repeated_more_often_than_allowed() -> None:
    echo = Faltering(100)
    async with (
        serving(echo) as server,
        calling(server, timeout_seconds=5, service_config=_config()) as client,
    ):
        with pytest.raises(errors.Unavailable):
            await call(client, "hello")
    assert echo.attempts == [0, 1, 2, 3]


async def test_without_a_service_config_nothing_is_repeated() -> None:
    echo = Faltering(1)
    async with serving(echo) as server, calling(server, timeout_seconds=5) as client:
        with pytest.raises(errors.Unavailable):
            await call(client, "hello")
    assert echo.attempts == [0]


async def test_other_errors_are_answers_and_not_repeated() -> None:
    echo = Faltering(0)
    async with (
        serving(echo) as server,
        calling(server, timeout_seconds=5, service_config=_config()) as client,
    ):
        with pytest.raises(errors.Internal):
            await call(client, "error Internal")
    assert echo.attempts == [0]


async def test_streams_are_repeated_as_long_as_nothing_has_come_back() -> None:
    echo = Faltering(1)
    async with (
        serving(echo) as server,
        calling(server, timeout_seconds=5, service_config=_config()) as client,
    ):
        with client.stub() as stub:
            assert [each async for each in stub.count(b"")] == [b"1"]
            echo.refusals = len(echo.attempts) + 1
            assert await stub.total(_one()) == b"1"
        echo.attempts.clear()
        echo.refusals = 1
        got: list[bytes] = []
        with pytest.raises(errors.Unavailable):
            await _into(got, client, "count", b"late")
    assert (got, echo.attempts) == ([b"0"], [0])


async def test_what_must_not_be_repeated_is_not() -> None:
    echo = Faltering(1)
    async with (
        serving(echo) as server,
        calling(server, timeout_seconds=5, service_config=_config()) as client,
    ):
        with pytest.raises(errors.Unavailable):
            await _into([], client, "double", _one())
    assert echo.attempts == [0]


async def test_retries_end_with_the_deadline() -> None:
    echo = Faltering(100)
    patient = service_config(_service(), first_seconds=30, longest_seconds=30)
    async with (
        serving(echo) as server,
        calling(server, timeout_seconds=0.3, service_config=patient) as client,
    ):
        with pytest.raises((errors.DeadlineExceeded, errors.Unavailable)):
            await call(client, "hello")
    assert len(echo.attempts) <= 2


async def test_retries_stop_while_the_server_fails_too_often_and_come_back_with_its_successes() -> None:
    """Throttling (gRFC A6): below half of its ten tokens nothing is tried again."""
    echo = Faltering(10_000)
    async with (
        serving(echo) as server,
        calling(server, timeout_seconds=5, service_config=_config(earned=1)) as client,
    ):
        for _ in range(8):
            with pytest.raises(errors.Unavailable):
                await call(client, "hello")
        tried = len(echo.attempts)
        assert tried == 4 + 7, "of ten tokens the first call takes four, and the second's first attempt one"

        echo.refusals = 0
        for _ in range(10):  # each earns a token
            await call(client, "hello")
        echo.attempts.clear()
        echo.refusals = 1
        assert await call(client, "hello") == "hello"
        assert echo.attempts == [0, 1]
