"""WebSockets of a live gateway: who may connect, who hears what, and how connections end."""

import asyncio
import contextlib
import itertools
import json
import signal

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from workbook_lib.lab.evidence import eventually, metric


def _socket(process, path, **options):
    options.setdefault("origin", process.url)
    options.setdefault("ping_interval", None)  # who reads slowly answers late
    return connect(process.url.replace("http", "ws") + path, **options)


async def _refused(process, path, **options):
    with pytest.raises(InvalidStatus) as refused:
        await _socket(process, path, **options)
    response = refused.value.response
    return response.status_code, json.loads(response.body)["code"]


async def _hear(socket):
    async with asyncio.timeout(10):
        return json.loads(await socket.recv())["text"]


async def _code(socket):
    async with asyncio.timeout(15):
        await socket.wait_closed()
    return socket.close_code


@pytest.fixture(scope="module")
def other_process(tmp_path_factory, redis_url, gateway_on):
    yield from gateway_on(tmp_path_factory.mktemp("other"), redis_url=redis_url)


@pytest.fixture(scope="module")
def first_process(tmp_path_factory, redis_url, gateway_on):
    settings = {"redis_url": redis_url, "room_ping_seconds": "600"}  # who reads slowly answers pings late
    yield from gateway_on(tmp_path_factory.mktemp("first"), **settings)


@pytest.mark.parametrize("path", ["/ws/echo", "/ws/rooms/lobby"])
@pytest.mark.parametrize("origin", [None, "http://evil.example", "null", "http://127.0.0.1"])
async def test_a_missing_or_foreign_origin_is_refused_before_the_connection_stands(
    first_process, path, origin
):
    assert await _refused(first_process, path, origin=origin) == (403, 40301)


async def test_an_unknown_path_is_a_404_and_a_bad_room_a_400(first_process):
    assert await _refused(first_process, "/ws/nothing") == (404, 40401)
    assert await _refused(first_process, "/ws/rooms/..%2fetc") in ((400, 40001), (404, 40401))
    assert await _refused(first_process, "/ws/rooms/UPPER") == (400, 40001)


async def test_echo_says_what_it_hears(first_process):
    async with _socket(first_process, "/ws/echo") as socket:
        for text in ("hello", "", "猫" * 100):
            await socket.send(text)
            assert await socket.recv() == text
    assert socket.close_code == 1000


async def test_binary_is_refused_with_1003_and_a_long_message_with_1009(first_process):
    for message, code in ((b"\x00", 1003), ("x" * 4097, 1009)):
        async with _socket(first_process, "/ws/echo") as socket:
            await socket.send(message)
            assert await _code(socket) == code


async def test_everybody_in_a_room_hears_it_and_nobody_else(first_process):
    async with contextlib.AsyncExitStack() as stack:
        paths = ["/ws/rooms/a", "/ws/rooms/a", "/ws/rooms/b"]
        first, second, elsewhere = [await stack.enter_async_context(_socket(first_process, p)) for p in paths]
        await first.send("hello")
        assert [await _hear(first), await _hear(second)] == ["hello", "hello"]
        await elsewhere.send("alone")
        assert await _hear(elsewhere) == "alone"
    assert await eventually(lambda: _is_empty(first_process))


async def _is_empty(process):
    return await metric(f"{process.url}/metrics", "room_members") == 0


async def test_a_room_spans_two_gateways_and_keeps_the_order(first_process, other_process):
    numbers, heard = itertools.count(), []
    async with (
        _socket(first_process, "/ws/rooms/both", max_queue=None) as here,
        _socket(other_process, "/ws/rooms/both") as there,
    ):

        async def all_of_them():
            """A hundred more; one is lost if the other doesn't listen yet or Redis takes a second for it."""
            sent = list(itertools.islice(numbers, 100))
            for number in sent:
                await here.send(str(number))
            with contextlib.suppress(TimeoutError):
                while sent[-1] not in heard:
                    heard.append(int(await _hear(there)))
            return heard[-100:] == sent

        await eventually(all_of_them, timeout_seconds=120)
    assert heard == sorted(set(heard))


async def test_one_slow_reader_is_dropped_with_1013_and_stops_nobody(first_process):
    async with contextlib.AsyncExitStack() as stack:
        quick, slow = [
            await stack.enter_async_context(_socket(first_process, "/ws/rooms/busy", max_queue=queue))
            for queue in (16, 1)
        ]
        dropped = f"{first_process.url}/metrics", "room_members_dropped_total"
        before = await metric(*dropped)
        text, sent = "x" * 4000, 0
        # The slow one's socket buffers take some megabytes before anything is felt.
        while await metric(*dropped) == before and sent < 10_000:
            for _ in range(50):
                await quick.send(text)
                assert await _hear(quick) == text
            sent += 50
        assert await metric(*dropped) == before + 1
        await quick.send("still here")
        assert await _hear(quick) == "still here"
        heard = [message async for message in _all(slow)]
        assert (slow.close_code, slow.close_reason) == (1013, "you read too slowly")
        assert len(heard) < sent


async def _all(socket):
    with contextlib.suppress(ConnectionClosed):
        while True:
            yield await socket.recv()


async def test_sigterm_closes_rooms_with_1001_and_the_gateway_ends_with_0(gateways):
    process = gateways()
    process.start()
    members = [await _socket(process, "/ws/rooms/lobby") for _ in range(5)]
    process.signal(signal.SIGTERM)
    assert await asyncio.gather(*map(_code, members)) == [1001] * 5
    assert process.ended(10) == 0
    assert {line["close_code"] for line in process.lines("websocket")} == {1001}
    assert "Traceback" not in process.log


async def test_without_redis_a_room_is_the_gateways_own(gateway_process):
    async with (
        _socket(gateway_process, "/ws/rooms/alone") as one,
        _socket(gateway_process, "/ws/rooms/alone") as two,
    ):
        await one.send("hello")
        assert [await _hear(one), await _hear(two)] == ["hello", "hello"]
