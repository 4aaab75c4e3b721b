"""One TCP connection passed on to whichever endpoint takes it."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterable
from typing import cast

__all__ = ["ClientEnd"]

CONNECT_SECONDS = 1.0
RESET = struct.pack("ii", 1, 0)  # SO_LINGER of 0 s: close() sends RST instead of FIN (socket(7))
Address = tuple[str, int]


class _End(asyncio.Protocol):
    """One end; what it reads is written to `other`."""

    def __init__(self) -> None:
        self.other: _End | None = None
        self.transport: asyncio.Transport | None = None
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        self.ended = True
        other = self.other
        if other is None or other.transport is None or other.ended:
            return False  # nothing can come any more, either way: close
        other.transport.write_eof()
        return True

    def connection_lost(self, error: Exception | None) -> None:
        if self.other is not None and self.other.transport is not None:
            if error is not None:
                self.other.reset()
            else:
                self.other.transport.close()  # once everything is written

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()

    def reset(self) -> None:
        """End the connection by RST: the nearest that a relay has to a refused or broken connection."""
        if self.transport is not None and not self.transport.is_closing():
            connection: socket.socket = self.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.transport.abort()


class ClientEnd(_End):
    """A client's end: tries `endpoints` in their order until one takes the connection, else resets it."""

    def __init__(self, endpoints: Iterable[Address]) -> None:
        super().__init__()
        self._endpoints = endpoints
        self._held: list[bytes] = []
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Find it an endpoint."""
        super().connection_made(transport)
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    def data_received(self, data: bytes) -> None:
        """Pass it on, once there is an endpoint."""
        if self.other is None:
            self._held.append(data)
        else:
            super().data_received(data)

    def eof_received(self) -> bool:
        """The client says no more; the answer may still come."""
        if self.other is None:
            self.ended = True
            return True
        return super().eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        """The client has gone."""
        if self._connecting is not None:
            self._connecting.cancel()
        super().connection_lost(error)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        server = _End()
        for host, port in self._endpoints:
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    transport, _ = await loop.create_connection(lambda: server, host, port)
            except OSError:  # TimeoutError is one: not there any more, try another
                continue
            server.other, self.other = self, server
            for data in self._held:
                transport.write(data)
            if self.ended:
                transport.write_eof()
            return
        self.reset()
