"""WebSockets of a service as a process, by a client that speaks the protocol."""

import asyncio
import json
import signal
from pathlib import Path

import pytest
import websockets
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from workbook_lib.lab.evidence import eventually, metric

SERVICE = Path(__file__).with_name("socket_service.py")
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
async def sockets(process):
    process.program = SERVICE
    await process.start()
    await process.ready()
    return process


def _url(process, path):
    return f"ws://127.0.0.1:{process.port}{path}"


def _lines(process, event):
    return [json.loads(line) for line in process.log.splitlines() if f'"event":"{event}"' in line]


async def _refused(process, path):
    with pytest.raises(InvalidStatus) as refused:
        await connect(_url(process, path))
    response = refused.value.response
    return response.status_code, json.loads(response.body)


async def _close_code(socket):
    async with asyncio.timeout(10):
        await socket.wait_closed()
    return socket.close_code


async def test_an_unknown_path_is_a_404_in_the_uniform_shape(sockets):
    status, body = await _refused(sockets, "/nowhere")
    assert (status, body["code"]) == (404, 40401)


async def test_an_error_before_the_handshake_is_its_http_answer(sockets):
    status, body = await _refused(sockets, "/echo/closed")
    assert (status, body["code"], body["message"]) == (403, 40301, "not in here")
    status, body = await _refused(sockets, "/bug")
    assert (status, body["code"]) == (500, 50001)
    (line,) = _lines(sockets, "unexpected error")
    assert line["trace_id"] == body["traceId"]
    assert "before the handshake" in line["exception"]


@pytest.mark.parametrize(("text", "code"), [("forbidden", 1008), ("bug", 1011)])
async def test_an_error_after_the_handshake_closes_the_connection_with_a_code_and_tells_nothing(
    sockets, text, code
):
    async with connect(_url(sockets, "/echo/a")) as socket:
        await socket.send(text)
        assert await _close_code(socket) == code
        assert socket.close_reason == ""
    assert await eventually(lambda: _lines(sockets, "websocket"))


async def test_each_connection_is_one_log_line_and_counted_by_its_routes_template(sockets):
    headers = {"traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-01"}
    async with connect(_url(sockets, "/echo/a"), additional_headers=headers) as socket:
        for text in ("one", "two"):
            await socket.send(text)
            assert await socket.recv() == text
        metrics = f"{sockets.url}/metrics"
        assert await metric(metrics, "websocket_connections") == 1
        assert await metric(metrics, "websocket_messages_total", direction="sent", route="/echo/{name}") == 2
    (line,) = await eventually(lambda: _lines(sockets, "websocket"))
    assert (line["path"], line["status"], line["close_code"]) == ("/echo/a", 101, 1000)
    assert (line["received"], line["sent"], line["trace_id"]) == (2, 2, TRACE_ID)
    assert await metric(metrics, "websocket_connections") == 0
    assert await metric(metrics, "websocket_connections_ended_total", route="/echo/{name}", code="1000") == 1


async def test_a_message_over_the_limit_closes_with_1009(sockets):
    async with connect(_url(sockets, "/echo/a")) as socket:
        await socket.send("x" * 1000)
        assert len(await socket.recv()) == 1000
        await socket.send("x" * 1001)
        assert await _close_code(socket) == 1009


async def test_a_peer_that_answers_no_ping_is_closed(process):
    process.program = SERVICE
    await process.start("--ping-seconds", "0.2")
    await process.ready()
    reader, writer = await asyncio.open_connection("127.0.0.1", process.port)
    writer.write(
        b"GET /echo/a HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    async with asyncio.timeout(10):
        said = await reader.read()
    assert said.startswith(b"HTTP/1.1 101")
    assert said.endswith(b"keepalive ping timeout")
    writer.close()
    (line,) = await eventually(lambda: _lines(process, "websocket"))
    assert line["close_code"] in (1005, 1006, 1011)


async def test_sigterm_closes_with_1001_within_the_grace_time_and_the_process_ends_with_0(sockets):
    peers = [await connect(_url(sockets, "/echo/a")) for _ in range(20)]
    sockets.signal(signal.SIGTERM)
    assert await asyncio.gather(*map(_close_code, peers)) == [1001] * 20
    assert await sockets.ended(5) == 0
    assert {line["close_code"] for line in _lines(sockets, "websocket")} == {1001}
    assert "Traceback" not in sockets.log


async def test_a_service_without_websocket_routes_does_not_speak_them(process):
    await process.start()
    await process.ready()
    with pytest.raises(websockets.exceptions.InvalidHandshake):
        await connect(_url(process, "/slow"))
