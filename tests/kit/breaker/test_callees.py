"""Real callees: HTTP and gRPC servers on this machine, called by the usual clients and by the kit's."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import grpc
import httpx2
import pytest

from tests.kit.rpc.conftest import Echo, EchoStub, call, calling, serving
from workbook_lib.kit import errors
from workbook_lib.kit.breaker import Breaker, BreakerOpen, BreakerSettings
from workbook_lib.kit.clock import ManualClock
from workbook_lib.kit.http import HttpClient
from workbook_lib.lab.evidence import eventually

TWO_ERRORS = BreakerSettings(request_volume_threshold=2, timeout_seconds=None)
SOON = BreakerSettings(request_volume_threshold=1, timeout_seconds=0.1)


class Site:
    """A server that answers with the status that it is told."""

    def __init__(self) -> None:
        self.status = 200
        self.asked = 0
        self.url = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                self.asked += 1
                writer.write(f"HTTP/1.1 {self.status} X\r\nContent-Length: 0\r\n\r\n".encode())
                await writer.drain()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    server = await asyncio.start_server(site.handle, "127.0.0.1", 0)
    site.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield site
    server.close()


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False) as client:
        yield client


async def test_a_failing_http_server_is_left_alone_and_asked_again(site, http):
    clock = ManualClock()
    breaker = Breaker("site", TWO_ERRORS, clock=clock)

    @breaker.protects()
    async def page() -> int:
        return (await http.get(site.url)).raise_for_status().status_code

    site.status = 503
    for _ in range(2):
        with pytest.raises(httpx2.HTTPStatusError):
            await page()
    for _ in range(10):
        with pytest.raises(BreakerOpen):
            await page()
    assert site.asked == 2
    site.status = 200
    await clock.advance(6)
    assert await page() == 200
    assert [change.after for change in breaker.history] == ["open", "half-open", "closed"]


@pytest.mark.parametrize(
    ("status", "state"), [(404, "closed"), (422, "closed"), (429, "open"), (500, "open")]
)
async def test_a_status_that_httpx_or_the_kit_raises_speaks_of_the_server_or_does_not(
    status, state, site, http
):
    site.status = status
    client = HttpClient(site.url, timeout_seconds=30)
    await client.start()

    async def raw() -> None:
        (await http.get(site.url)).raise_for_status()

    for function, raised in ((raw, httpx2.HTTPStatusError), (lambda: client.get("/"), errors.ServiceError)):
        breaker = Breaker("site", TWO_ERRORS)
        for _ in range(2):
            with pytest.raises(raised):
                await breaker.call(function)
        assert breaker.state == state
    await client.stop()


async def test_a_server_that_never_answers_is_given_up_in_time(black_hole, http):
    breaker = Breaker("black hole", SOON)
    with pytest.raises(errors.DeadlineExceeded):
        await breaker.call(http.get, f"http://{black_hole}", timeout=None)
    with pytest.raises(BreakerOpen):
        await breaker.call(http.get, f"http://{black_hole}")


async def test_after_timeouts_the_http_clients_pool_still_works(site, http, black_hole):
    breaker = Breaker("mixed", SOON.model_copy(update={"request_volume_threshold": 1000}))
    hanging = [breaker.call(http.get, f"http://{black_hole}", timeout=None) for _ in range(50)]
    ended = await asyncio.gather(*hanging, return_exceptions=True)
    assert {type(each) for each in ended} == {errors.DeadlineExceeded}
    assert (await http.get(site.url)).status_code == 200
    assert breaker.in_flight == 0


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("NotFound", "closed"),
        ("InvalidRequest", "closed"),
        ("TooManyRequests", "open"),
        ("Unavailable", "open"),
    ],
)
async def test_a_status_of_grpc_speaks_of_the_server_or_does_not(kind, state):
    async with serving(Echo()) as server, grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        breaker = Breaker("echo", TWO_ERRORS)
        for _ in range(2):
            with pytest.raises(grpc.aio.AioRpcError):
                await breaker.call(EchoStub(channel).call, f"error {kind}".encode())
        assert breaker.state == state


async def test_a_grpc_call_that_is_given_up_ends_on_the_server_too():
    echo, clock = Echo(), ManualClock()
    async with serving(echo) as server, grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub, breaker = EchoStub(channel), Breaker("echo", SOON, clock=clock)
        hanging = asyncio.create_task(breaker.call(stub.call, b"sleep 60"))
        await echo.started.wait()
        await clock.advance(1)
        with pytest.raises(errors.DeadlineExceeded):
            await hanging
        await eventually(lambda: echo.cancelled)
        with pytest.raises(BreakerOpen):
            await breaker.call(stub.call, b"hello")


async def test_the_kits_grpc_client_is_guarded_by_a_block():
    async with serving(Echo()) as server, calling(server) as client:
        breaker = Breaker("echo", TWO_ERRORS)
        for _ in range(2):
            with pytest.raises(errors.Unavailable), breaker.guard(), client.stub() as stub:
                await stub.call(b"error Unavailable")
        assert breaker.state == "open"
        with pytest.raises(BreakerOpen):
            await breaker.call(call, client, "hello")
