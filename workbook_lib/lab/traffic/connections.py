"""Many connections at once, opened, held and then used, as they run in the traffic process."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from workbook_lib.kit.process import raise_file_limit
from workbook_lib.lab.traffic.generator import Recorder

__all__ = ["ConnectionHolder"]

AT_ONCE: Final = 100
OWN_FILES: Final = 64
CONNECT_TIMEOUT_SECONDS: Final = 5.0
ANSWER_TIMEOUT_SECONDS: Final = 10.0


@dataclass(frozen=True)
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class ConnectionHolder:
    """Keeps up to `count` TCP connections to one HTTP server, fewer when the limit of open files is lower."""

    def __init__(self, url: str, count: int) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._request = f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: */*\r\n\r\n".encode()
        self._count = count
        self._held: list[_Connection] = []
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def open(self) -> dict[str, Any]:
        """Open the connections, a hundred at a time; report how many are open and how long it took."""
        wanted = min(self._count, raise_file_limit() - OWN_FILES)
        began = time.perf_counter()
        problems = await asyncio.gather(*(self._connect() for _ in range(wanted)))
        failed = [problem for problem in problems if problem]
        if wanted < self._count:
            failed.append(f"the limit of open files allows {wanted}")
        seconds = time.perf_counter() - began
        return {"open": len(self._held), "seconds": seconds, "problem": failed[-1] if failed else ""}

    async def ask(self) -> dict[str, Any]:
        """Send one GET on each of the held connections and report as a load does."""
        recorder = Recorder()
        await asyncio.gather(*(self._ask(connection, recorder) for connection in self._held))
        return recorder.to_wire()

    def close(self) -> None:
        """Close all of them."""
        for connection in self._held:
            connection.writer.close()

    async def _connect(self) -> str:
        async with self._turn:
            try:
                streams = asyncio.open_connection(self._host, self._port)
                self._held.append(_Connection(*await asyncio.wait_for(streams, CONNECT_TIMEOUT_SECONDS)))
            except OSError as error:
                return f"{type(error).__name__}: {error}"
        return ""

    async def _ask(self, connection: _Connection, recorder: Recorder) -> None:
        async with self._turn:
            due = time.perf_counter()
            try:
                status = await asyncio.wait_for(self._exchange(connection), ANSWER_TIMEOUT_SECONDS)
            except (OSError, asyncio.IncompleteReadError, ValueError) as error:
                recorder.add(due, 0, f"{type(error).__name__}: {error}")
            else:
                recorder.add(due, status, "" if status < 400 else str(status))

    async def _exchange(self, connection: _Connection) -> int:
        """One request and its answer on a connection that is already open (aiohttp would open its own)."""
        connection.writer.write(self._request)
        status_line, *lines = (await connection.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
        await connection.reader.readexactly(int(fields["content-length"]))
        return int(status_line.split(" ")[1])
