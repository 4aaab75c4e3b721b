"""A service of plain bytes, with a server and clients for it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from opentelemetry import baggage

from workbook_lib.kit import errors, telemetry
from workbook_lib.kit.discovery import StaticInstances
from workbook_lib.kit.rpc import RpcClient, RpcServer

SERVICE = "test.Echo"


class Echo:
    """A service of plain bytes, so that tests need no proto: the request says what should happen."""

    def __init__(self, name: str = "echo") -> None:
        self.name = name
        self.started = asyncio.Event()
        self.cancelled = False
        self.counted = 0
        self.onward: RpcClient[EchoStub] | None = None

    async def call(self, request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        self.started.set()
        match request.decode().split():
            case ["error", kind]:
                raise getattr(errors, kind)(f"about {kind}")
            case ["own-code"]:
                raise OutOfStock("none left")
            case ["crash"]:
                raise ZeroDivisionError("the secret cause")
            case ["abort"]:
                await context.abort(grpc.StatusCode.DATA_LOSS, "by hand")
            case ["sleep", seconds]:
                try:
                    await asyncio.sleep(float(seconds))
                except asyncio.CancelledError:
                    self.cancelled = True
                    raise
            case ["onward", *rest]:
                assert self.onward is not None
                with self.onward.stub() as stub:
                    return await stub.call(" ".join(rest).encode())
            case ["who"]:
                return self.name.encode()
            case ["trace"]:
                return f"{telemetry.current_trace_id()} {baggage.get_baggage('tenant')}".encode()
        return request

    async def count(self, request: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        upto, _, size = request.partition(b" of size ")
        try:
            for number in range(int(upto)):
                self.counted = number
                yield str(number).encode().zfill(int(size or 1))
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled = True
            raise
        raise errors.NotFound("no more numbers")

    async def total(self, requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> bytes:
        return str(sum([int(request) async for request in requests])).encode()

    async def double(
        self, requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext
    ) -> AsyncIterator[bytes]:
        async for request in requests:
            yield str(2 * int(request)).encode()

    def add_to(self, server: grpc.aio.Server) -> None:
        handlers = {
            "call": grpc.unary_unary_rpc_method_handler(self.call),
            "count": grpc.unary_stream_rpc_method_handler(self.count),
            "total": grpc.stream_unary_rpc_method_handler(self.total),
            "double": grpc.stream_stream_rpc_method_handler(self.double),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))


class EchoStub:
    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.call = channel.unary_unary(f"/{SERVICE}/call")
        self.count = channel.unary_stream(f"/{SERVICE}/count")
        self.total = channel.stream_unary(f"/{SERVICE}/total")
        self.double = channel.stream_stream(f"/{SERVICE}/double")
        self.absent = channel.unary_unary(f"/{SERVICE}/absent")


class OutOfStock(errors.Conflict):
    code = 40902


@contextlib.asynccontextmanager
async def serving(echo: Echo, port: int = 0, **options: Any) -> AsyncIterator[RpcServer]:
    server = RpcServer("127.0.0.1", port, **options)
    server.add(Echo.add_to, echo, SERVICE)
    await server.start()
    try:
        yield server
    finally:
        await server.stop(0)


@contextlib.asynccontextmanager
async def calling(
    *servers: RpcServer, timeout_seconds: float = 5.0, **options: Any
) -> AsyncIterator[RpcClient[EchoStub]]:
    fixed = StaticInstances.at(*(f"127.0.0.1:{server.port}" for server in servers))
    client = RpcClient(fixed, EchoStub, timeout_seconds=timeout_seconds, **options)
    await client.start()
    try:
        yield client
    finally:
        await client.stop()


@pytest.fixture
async def echo() -> Echo:
    return Echo()


@pytest.fixture
async def server(echo: Echo) -> AsyncIterator[RpcServer]:
    async with serving(echo) as server:
        yield server


@pytest.fixture
async def client(server: RpcServer) -> AsyncIterator[RpcClient[EchoStub]]:
    async with calling(server) as client:
        yield client


async def call(client: RpcClient[EchoStub], request: str, **options: float) -> str:
    with client.stub() as stub:
        return (await stub.call(request.encode(), **options)).decode()
