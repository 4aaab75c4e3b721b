"""A relayed connection: what is sent arrives, to the last byte, both ways."""

import asyncio
import socket

import pytest

from workbook_lib.lab.kubernetes.relay import ClientEnd


@pytest.fixture
def refused():
    """An address where nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()


async def _through(endpoints, request, *, port_of=None):
    """The whole answer to a request through a relay."""
    loop = asyncio.get_running_loop()
    relay = await loop.create_server(lambda: ClientEnd(endpoints), "127.0.0.1", 0)
    async with relay:
        reader, writer = await asyncio.open_connection(*relay.sockets[0].getsockname())
        try:
            writer.write(request)
            writer.write_eof()
            return await asyncio.wait_for(reader.read(), 20)
        finally:
            writer.close()


async def _echo(reader, writer):
    data = await reader.read()  # to the client's end of stream
    writer.write(data[::-1])
    await writer.drain()
    writer.close()


async def test_megabytes_pass_and_half_closed_connections_are_answered(refused):
    request = bytes(range(256)) * 20_000
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    async with server:
        answer = await _through([refused, server.sockets[0].getsockname()], request)
    assert answer == request[::-1]


async def test_a_client_that_nobody_takes_is_reset(refused):
    with pytest.raises(ConnectionResetError):
        await _through([refused], b"hello")
