"""A TCP relay whose link can be slowed, blackholed and cut, and which counts what passes.

Run as a script by `proxy`: `relay.py PORT CONTROL_PORT UPSTREAM_PORT`, all on loopback. It imports nothing of
the project, so that it is up at once. Orders come to the control port as JSON lines, `{"do": "cut"}` or
`{"do": "delay", "seconds": 0.2}`; each is answered, once carried out, by a line with the traffic so far.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import sys
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any, cast

import uvloop

__all__ = ["Relay", "Traffic", "main"]

HOST = "127.0.0.1"
HELD_BYTES = 1 << 20
RESET = struct.pack("ii", 1, 0)  # SO_LINGER of 0 s: close() sends RST instead of FIN (socket(7))


@dataclass(frozen=True)
class Traffic:
    """What has passed since the relay started. `sent_bytes` went from clients to the server."""

    connections: int = 0
    """Connections that clients have opened."""
    open_connections: int = 0
    """Those of them that are open now."""
    sent_bytes: int = 0
    received_bytes: int = 0

    def __sub__(self, earlier: Traffic) -> Traffic:
        """What has passed since an earlier look; `open_connections` is how many more are open."""
        return Traffic(
            self.connections - earlier.connections,
            self.open_connections - earlier.open_connections,
            self.sent_bytes - earlier.sent_bytes,
            self.received_bytes - earlier.received_bytes,
        )


class Relay:
    """Listens on `port` and passes every connection on to `upstream_port`, both on this machine.

    All connections share one link. With `delay_seconds` everything arrives that much later, in order. A
    blackholed link holds back data and new connections, as a network does that drops packets: nothing is
    refused, and what TCP would send again arrives once the link is restored. A cut resets every connection
    and refuses new ones.
    """

    def __init__(self, port: int, upstream_port: int) -> None:
        self.upstream_port = upstream_port
        self.delay_seconds = 0.0
        self.holding = False
        self._port = port
        self._listener: asyncio.Server | None = None
        self._ends: set[_End] = set()
        self._connections = self._sent = self._received = 0

    async def listen(self) -> None:
        """Take connections. Raises OSError. Idempotent."""
        if self._listener is None:
            loop = asyncio.get_running_loop()
            self._listener = await loop.create_server(
                lambda: _End(self, is_client=True), HOST, self._port, reuse_address=True
            )

    def cut(self) -> None:
        """Reset every connection, refuse new ones."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
        for end in list(self._ends):
            end.reset()

    def blackhole(self) -> None:
        """Let nothing through."""
        self.holding = True
        for end in self._ends:
            end.update_reading()

    async def restore(self) -> None:
        """Be a good network again."""
        self.delay_seconds, self.holding = 0.0, False
        await self.listen()
        for end in list(self._ends):
            end.resume()

    def traffic(self) -> Traffic:
        """What has passed."""
        clients = sum(end.is_client for end in self._ends)
        return Traffic(self._connections, clients, self._sent, self._received)

    def opened(self, end: _End) -> None:
        """An end of a connection is there."""
        self._ends.add(end)
        self._connections += end.is_client

    def closed(self, end: _End) -> None:
        """It is gone."""
        self._ends.discard(end)

    def count(self, size: int, *, from_client: bool) -> None:
        """So many bytes were read from one end."""
        if from_client:
            self._sent += size
        else:
            self._received += size


class _End(asyncio.Protocol):
    """One end of a relayed connection; what it reads is written to `_other`."""

    def __init__(self, relay: Relay, *, is_client: bool, other: _End | None = None) -> None:
        self.is_client = is_client
        self._relay = relay
        self._other = other
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._connecting: asyncio.Task[None] | None = None
        # What was read and when it is due at the other end; empty bytes stand for the end of the stream.
        self._held: deque[tuple[float, bytes]] = deque()
        self._held_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._other_is_full = False
        self._has_ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._relay.opened(self)
        self.update_reading()
        if self.is_client and not self._relay.holding:
            self._connect()

    def data_received(self, data: bytes) -> None:
        self._relay.count(len(data), from_client=self.is_client)
        self._hold(data)

    def eof_received(self) -> bool:
        self._hold(b"")
        return True  # the other direction may go on

    def connection_lost(self, error: Exception | None) -> None:
        self._relay.closed(self)
        if self._connecting is not None:
            self._connecting.cancel()
        if self._other is not None:
            if error is not None:
                self._other.reset()
            elif not self._held:
                self._other.close()

    def pause_writing(self) -> None:
        if self._other is not None:
            self._other._fill(full=True)

    def resume_writing(self) -> None:
        if self._other is not None:
            self._other._fill(full=False)

    def resume(self) -> None:
        """The link is open again: connect if that was held back, deliver what is due, read on."""
        if self.is_client and self._other is None and self._connecting is None:
            self._connect()
        self._deliver()

    def reset(self) -> None:
        """End the connection by RST."""
        self._held.clear()
        if self._transport is not None and not self._transport.is_closing():
            connection: socket.socket = self._transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self._transport.abort()

    def close(self) -> None:
        """End the connection once everything is written."""
        if self._transport is not None:
            self._transport.close()

    def update_reading(self) -> None:
        """Read unless the link holds everything back, or too much waits already."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._relay.holding or self._other_is_full or self._held_bytes > HELD_BYTES or self._other is None:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _connect(self) -> None:
        self._connecting = self._loop.create_task(self._connect_upstream())

    async def _connect_upstream(self) -> None:
        server = _End(self._relay, is_client=False, other=self)
        try:
            await self._loop.create_connection(lambda: server, HOST, self._relay.upstream_port)
        except OSError:
            self.reset()  # as near as a relay gets to a refused connection
            return
        self._other = server
        self._deliver()  # uvloop may read once although told to pause

    def _fill(self, *, full: bool) -> None:
        self._other_is_full = full
        self.update_reading()

    def _hold(self, data: bytes) -> None:
        due = self._loop.time() + self._relay.delay_seconds
        if self._held:
            due = max(due, self._held[-1][0])  # a link that got faster doesn't change the order
        self._held.append((due, data))
        self._held_bytes += len(data)
        self._deliver()

    def _deliver(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        other = self._other._transport if self._other is not None else None
        if self._relay.holding or other is None:
            return
        while self._held and self._held[0][0] <= self._loop.time():
            _, data = self._held.popleft()
            self._held_bytes -= len(data)
            if not data:
                self._end_stream(other)
            elif not other.is_closing():
                other.write(data)
        if self._held:
            self._timer = self._loop.call_at(self._held[0][0], self._deliver)
        elif self._transport is None or self._transport.is_closing():
            other.close()  # this end has gone, and its last words are delivered
        self.update_reading()

    def _end_stream(self, other: asyncio.Transport) -> None:
        self._has_ended = True
        if self._other is not None and self._other._has_ended:  # nothing can come any more, either way
            self.close()
            other.close()
        elif not other.is_closing():
            other.write_eof()


async def main(port: int, control_port: int, upstream_port: int) -> None:
    """Relay, and take orders, until the process is ended."""
    relay = Relay(port, upstream_port)
    await relay.listen()

    async def control(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            await _carry_out(relay, json.loads(line))
            writer.write(json.dumps(asdict(relay.traffic())).encode() + b"\n")
        writer.close()

    server = await asyncio.start_server(control, HOST, control_port)
    await server.serve_forever()


async def _carry_out(relay: Relay, order: dict[str, Any]) -> None:
    match order:
        case {"do": "cut"}:
            relay.cut()
        case {"do": "blackhole"}:
            relay.blackhole()
        case {"do": "delay", "seconds": seconds}:
            relay.delay_seconds = seconds
        case {"do": "restore"}:
            await relay.restore()


if __name__ == "__main__":
    uvloop.run(main(*map(int, sys.argv[1:])))
