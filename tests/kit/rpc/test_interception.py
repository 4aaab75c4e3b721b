"""What surrounds calls of all four kinds: metadata, request ids, the operators' guard, the log line."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import grpc
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from pydantic import SecretStr
from structlog.testing import capture_logs

from tests.kit.rpc.conftest import SERVICE, Echo, EchoStub, calling, serving
from workbook_lib.kit import errors
from workbook_lib.kit.rpc import (
    REQUEST_ID,
    Call,
    CallInterceptor,
    OperatorMethods,
    RequestIds,
    RpcClient,
    RpcServer,
    current_request_id,
    sending,
    sending_bearer,
    sending_request_ids,
)

TOKEN = SecretStr("the-operators")
METHODS = [f"/{SERVICE}/{name}" for name in ("call", "count", "total", "double")]


async def _numbers(upto: int) -> AsyncIterator[bytes]:
    for number in range(upto):
        yield str(number).encode()


async def _every_kind(client: RpcClient[EchoStub]) -> None:
    """One call of each of the four kinds, each to its end."""
    with client.stub() as stub:
        await stub.call(b"hello")
        assert await stub.total(_numbers(3)) == b"3"
        assert [each async for each in stub.double(_numbers(3))] == [b"0", b"2", b"4"]
        with contextlib.suppress(grpc.aio.AioRpcError):  # it ends in an error
            assert [each async for each in stub.count(b"2")] == [b"0", b"1"]


async def _read(client: RpcClient[EchoStub], request: bytes) -> list[bytes]:
    with client.stub() as stub:
        return [each async for each in stub.count(request)]


class Seen(CallInterceptor):
    """Keeps what it surrounds."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    @contextlib.contextmanager
    def around(self, call: Call) -> Iterator[None]:
        self.calls.append(call)
        yield


async def test_one_interceptor_surrounds_all_four_kinds_and_counts_their_messages(echo: Echo) -> None:
    seen = Seen()
    async with serving(echo, interceptors=[seen]) as server, calling(server) as client:
        await _every_kind(client)
    counted = {call.method.rpartition("/")[2]: (call.received, call.sent) for call in seen.calls}
    assert counted == {"call": (1, 1), "total": (3, 1), "double": (3, 3), "count": (1, 2)}
    assert {call.method for call in seen.calls if call.is_stream} == set(METHODS[1:])


async def test_metadata_go_with_calls_of_all_four_kinds_and_what_a_call_brings_itself_stays(
    echo: Echo,
) -> None:
    seen = Seen()
    tenant = sending(lambda: [("tenant", "blue")])
    async with (
        serving(echo, interceptors=[seen]) as server,
        calling(server, interceptors=tenant) as client,
    ):
        await _every_kind(client)
        with client.stub() as stub:
            await stub.call(b"", metadata=[("tenant", "green")])
    assert [call.metadata["tenant"] for call in seen.calls] == ["blue"] * 4 + ["green"]


@pytest.mark.parametrize("sent", [None, "", "two words", "x" * 65, "../../etc"])
async def test_a_missing_or_malformed_request_id_is_replaced_and_a_good_one_comes_back(
    echo: Echo, sent: str | None
) -> None:
    async with serving(echo, interceptors=[RequestIds()]) as server, calling(server) as client:
        with client.stub() as stub:
            for given, kept in ((sent, False), ("order-17.retry_2", True)):
                call = stub.call(b"", metadata=[(REQUEST_ID, given)] if given is not None else None)
                back = dict(await call.trailing_metadata())[REQUEST_ID]
                assert (back == given) is kept
                assert back.isascii()
                assert 1 <= len(back) <= 64


async def test_a_request_id_travels_on_and_is_in_the_log_line() -> None:
    class Behind(Echo):
        async def call(self, request: bytes, context: grpc.aio.ServicerContext) -> bytes:
            return (current_request_id() or "none").encode()

    front = Echo()
    own = {"interceptors": [RequestIds()]}
    with capture_logs() as lines:
        async with (
            serving(Behind(), **own) as behind,
            serving(front, **own) as server,
            calling(behind, interceptors=sending_request_ids()) as front.onward,
            calling(server) as client,
        ):
            with client.stub() as stub:
                assert await stub.call(b"onward x", metadata=[(REQUEST_ID, "mine")]) == b"mine"
    assert current_request_id() is None
    assert [line["request_id"] for line in lines if line["event"] == "rpc"] == ["mine", "mine"]


async def test_an_error_brings_the_request_id_and_its_own_details(echo: Echo) -> None:
    async with serving(echo, interceptors=[RequestIds()]) as server, calling(server) as client:
        with pytest.raises(errors.NotFound) as caught, client.stub() as stub:
            await stub.call(b"error NotFound", metadata=[(REQUEST_ID, "mine")])
    failure = caught.value.__cause__
    assert isinstance(failure, grpc.aio.AioRpcError)
    trailing = dict(failure.trailing_metadata())
    assert (trailing[REQUEST_ID], trailing["error-code"]) == ("mine", "40401")


async def test_only_who_has_the_operator_token_reaches_a_guarded_method(echo: Echo) -> None:
    guard = OperatorMethods(TOKEN, METHODS[1:])

    async with (
        serving(echo, interceptors=[guard]) as server,
        calling(server) as client,
        calling(server, interceptors=sending_bearer(TOKEN)) as operator,
    ):
        await _every_kind(operator)
        with client.stub() as stub:
            assert await stub.call(b"open to all") == b"open to all"
        for token in ("", "Bearer", "Bearer the-operator", "Bearer the-operators2", "the-operators"):
            # One message: if grpcio still sends when the refusal comes, it makes it an INTERNAL (grpc#36066).
            with pytest.raises(errors.Unauthenticated), client.stub() as stub:
                await stub.total(_numbers(1), metadata=[("authorization", token)])
        with pytest.raises(errors.Unauthenticated):
            await _read(client, b"3")


@pytest.mark.parametrize("token", [TOKEN, None])
async def test_the_guard_refuses_before_the_handler_is_reached(token: SecretStr | None) -> None:
    reached: list[str] = []

    def handle(interceptor: CallInterceptor) -> None:
        with interceptor.around(Call(METHODS[0], None, is_stream=False, client="someone", metadata={})):
            reached.append(METHODS[0])

    with pytest.raises((errors.Unauthenticated, errors.Forbidden)):
        handle(OperatorMethods(token, METHODS))
    handle(OperatorMethods(token, METHODS[1:]))
    handle(Seen())
    assert reached == METHODS[:1] * 2


async def test_without_a_token_set_nobody_reaches_a_guarded_method(echo: Echo) -> None:
    async with serving(echo, interceptors=[OperatorMethods(None, METHODS)]) as server:
        for bearer in ("", "None"):
            async with calling(server, interceptors=sending_bearer(SecretStr(bearer))) as client:
                with pytest.raises(errors.Forbidden), client.stub() as stub:
                    await stub.call(b"hello")


async def test_a_stream_ends_at_once_when_its_reader_leaves_and_its_log_line_tells_how_far_it_came(
    server: RpcServer, echo: Echo, spans: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    async with calling(server) as client:
        with capture_logs() as lines, client.stub() as stub:
            endless = stub.count(b"100000000")
            async for number in endless:
                if number == b"5":
                    break
            endless.cancel()
            async with asyncio.timeout(5):
                while not lines:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
    (line,) = lines
    assert echo.cancelled
    assert (line["status"], line["received"]) == ("CANCELLED", 1)
    assert 5 <= line["sent"] < 100_000
    assert caplog.records == [], "the span was closed in the context that it was opened in"
    assert SpanKind.SERVER in {span.kind for span in spans.get_finished_spans()}


async def test_a_reader_that_does_not_read_makes_the_sender_wait(server: RpcServer, echo: Echo) -> None:
    """HTTP/2's flow control: some answers are on their way, then the handler waits until they're read."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        slow = EchoStub(channel).count(b"100000 of size 50000")
        assert len(await slow.read()) == 50_000
        counts = [-1, echo.counted]
        async with asyncio.timeout(20):
            while counts[-1] > counts[-2] or counts[-1] == 0:
                await asyncio.sleep(0.5)
                counts.append(echo.counted)
        assert 0 < counts[-1] < 10_000
        for _ in range(counts[-1]):
            await slow.read()
        async with asyncio.timeout(20):
            while echo.counted == counts[-1]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        slow.cancel()
