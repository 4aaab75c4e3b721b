"""A relay is a network between two processes: it slows, drops, cuts and counts, and loses nothing itself."""

import asyncio
import os
import time
from contextlib import AsyncExitStack

import pytest

from workbook_lib.lab.evidence import eventually
from workbook_lib.lab.faults.relay import Relay, Traffic
from workbook_lib.lab.ports import PortAllocator, PortRequest

DELAY_SECONDS = 0.1


async def _echo(reader, writer):
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.write(b"bye")
    writer.close()


@pytest.fixture
async def relay():
    """A relay in front of an echo server, which says "bye" once its client has no more to say."""
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    reservation = PortAllocator().reserve(PortRequest("proxy"))
    reservation.hand_over()
    relay = Relay(reservation.port, server.sockets[0].getsockname()[1])
    relay.port = reservation.port
    await relay.listen()
    yield relay
    relay.cut()
    server.close()
    reservation.release()


@pytest.fixture
async def dial(relay):
    """Opens a connection through the relay."""
    async with AsyncExitStack() as stack:

        async def dial():
            reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
            stack.callback(writer.close)
            return reader, writer

        yield dial


async def _answer(reader, size):
    async with asyncio.timeout(10):
        return await reader.readexactly(size)


async def test_bytes_and_connections_are_counted_exactly(relay, dial):
    before = relay.traffic()
    (reader, writer), _ = await dial(), await dial()
    writer.write(b"x" * 1000)
    await _answer(reader, 1000)
    assert relay.traffic() - before == Traffic(2, 2, sent_bytes=1000, received_bytes=1000)


async def test_an_end_of_stream_passes_and_the_other_direction_goes_on(relay, dial):
    reader, writer = await dial()
    writer.write(b"last words ")
    writer.write_eof()
    async with asyncio.timeout(10):
        assert await reader.read() == b"last words bye"
    await eventually(lambda: not relay.traffic().open_connections)  # both sides have closed


async def test_more_than_all_buffers_hold_arrives_unchanged(relay, dial):
    reader, writer = await dial()
    sent = os.urandom(1 << 20) * 12
    writer.write(sent)
    assert await _answer(reader, len(sent)) == sent


async def test_a_delay_is_paid_each_way(relay, dial):
    reader, writer = await dial()
    writer.write(b"warm")
    await _answer(reader, 4)
    relay.delay_seconds = DELAY_SECONDS
    started = time.monotonic()
    writer.write(b"slow")
    assert await _answer(reader, 4) == b"slow"
    assert time.monotonic() - started >= 2 * DELAY_SECONDS


async def test_a_link_that_gets_faster_keeps_the_order(relay, dial):
    reader, writer = await dial()
    relay.delay_seconds = DELAY_SECONDS
    before = relay.traffic()
    writer.write(b"first ")
    await eventually(lambda: (relay.traffic() - before).sent_bytes == 6, interval_seconds=0.001)
    relay.delay_seconds = 0
    writer.write(b"second")
    assert await _answer(reader, 12) == b"first second"


async def test_a_blackhole_refuses_nothing_and_what_was_sent_arrives_once_restored(relay, dial):
    reader, writer = await dial()
    writer.write(b"warm")
    await _answer(reader, 4)
    relay.blackhole()
    new_reader, new_writer = await dial()
    writer.write(b"old")
    new_writer.write(b"new")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.2)
    await relay.restore()
    assert await _answer(reader, 3) == b"old"
    assert await _answer(new_reader, 3) == b"new"


async def test_a_cut_resets_what_is_open_and_refuses_what_is_new_until_restored(relay, dial):
    reader, writer = await dial()
    writer.write(b"warm")
    await _answer(reader, 4)
    relay.cut()
    with pytest.raises(ConnectionResetError):
        await _answer(reader, 1)
    with pytest.raises(ConnectionRefusedError):
        await dial()
    await relay.restore()
    reader, writer = await dial()
    writer.write(b"again")
    assert await _answer(reader, 5) == b"again"


async def test_a_server_that_is_gone_resets_the_connection(relay, dial):
    relay.upstream_port = 1  # nobody listens there
    reader, _ = await dial()
    with pytest.raises(ConnectionResetError):
        await _answer(reader, 1)
