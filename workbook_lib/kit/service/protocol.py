"""HTTP on the wire: uvicorn's protocol with a bound on what comes before a body, and with the one error body.

httptools limits neither the size of a request's head nor the time it takes: one connection could fill the
memory, many slow ones (Slowloris) hold all connections.
"""

import asyncio
import http
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from workbook_lib.kit import errors
from workbook_lib.kit.clock import SYSTEM_CLOCK

__all__ = ["HEAD_SECONDS", "MAX_HEAD_BYTES", "BoundedProtocol"]

MAX_HEAD_BYTES = 65_536
"""Request line and headers together; browsers and proxies stay far below (nginx: 4 of 8 KiB)."""
HEAD_SECONDS = 10.0


class BoundedProtocol(HttpToolsProtocol):
    """One connection. What isn't HTTP is answered in the uniform body too; it has no trace yet."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - uvicorn's
        super().__init__(*arguments, **options)
        self._in_head = False
        self._read_bytes = 0  # with this read
        self._head_bytes = 0  # with the reads after the one in which the head began
        self._head_timer: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """Parse; a head that isn't complete with what has come is counted and timed."""
        self._read_bytes = len(data)
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(431, f"Request line and headers may have {MAX_HEAD_BYTES} bytes at most.")
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_head = True
        self._head_bytes = -self._read_bytes  # which may hold the end of another request
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head is complete. Raises ValueError, which the parser makes a 400, when it is too long."""
        read = max(self._read_bytes, self._head_bytes + self._read_bytes)
        too_long = read > MAX_HEAD_BYTES and self._size() > MAX_HEAD_BYTES
        self._end_head()
        if too_long:
            raise ValueError("the head is too long")
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._end_head()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer what isn't HTTP, and close."""
        self._refuse(400, msg)

    def _size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _end_head(self) -> None:
        self._in_head, self._head_bytes = False, 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        self._refuse(408, f"Request line and headers have to come within {HEAD_SECONDS:g} s.")

    def _refuse(self, status: int, message: str) -> None:
        self._end_head()
        error = errors.error_body(errors.of_status(status, message), "", SYSTEM_CLOCK)
        body = error.model_dump_json(exclude_none=True).encode()
        head = (
            f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
