"""Load from processes of its own, for machines without wrk: as many requests as the answers allow.

`python -m benchmarks.generator URL [--connections 32] [--seconds 2] [--processes 1] [--body FILE]`. The
closed model: each connection sends its next request when it has its answer. Requests are bytes made once and
answers are read by httptools, which takes a small part of what any Python server takes for them;
`lab.traffic` keeps every request for a picture and takes as much as a server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import httptools
import uvloop

CONNECT_SECONDS = 5.0
LAST_ANSWER_SECONDS = 5.0


@dataclass(frozen=True)
class Plan:
    """What one process sends: the same request on all its connections."""

    host: str
    port: int
    request: bytes
    connections: int
    seconds: float


class Client(asyncio.Protocol):
    """One connection that always has one request under way."""

    def __init__(self, plan: Plan, until: float, latencies: array[float]) -> None:
        self._request, self._until, self._latencies = plan.request, until, latencies
        self._parser = httptools.HttpResponseParser(self)
        self.failures = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        """Read the answer; `on_message_complete` follows."""
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Note the answer and send the next request, or end."""
        now = time.perf_counter()
        if self._parser.get_status_code() < 400:
            self._latencies.append(now - self._began)
        else:
            self.failures += 1
        # A server that closes connections measures something else: its next request fails.
        if now < self._until:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, _error: Exception | None) -> None:
        """End; a connection that the server has ended counts as a failure."""
        if time.perf_counter() < self._until:
            self.failures += 1
        if not self.done.done():
            self.done.set_result(None)

    def _send(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(self._request)


def main() -> None:
    """Drive the load and print its figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--header", action="append", default=[], help="a further header, as Name: value")
    parser.add_argument("--body", type=Path, help="what to POST")
    options = parser.parse_args()
    parts = urlsplit(options.url)
    plan = Plan(
        parts.hostname or "127.0.0.1",
        parts.port or 80,
        request_bytes(options.url, options.header, options.body.read_bytes() if options.body else None),
        max(1, options.connections // options.processes),
        options.seconds,
    )
    if options.processes == 1:
        parts_of_all = [drive(plan)]
    else:
        from concurrent.futures import ProcessPoolExecutor

        with ProcessPoolExecutor(options.processes) as pool:
            parts_of_all = list(pool.map(drive, [plan] * options.processes))
    latencies = sorted(latency for latencies, _, _ in parts_of_all for latency in latencies)
    print(
        json.dumps(
            {
                "requests": len(latencies),
                "seconds": max(seconds for _, _, seconds in parts_of_all),
                "failures": sum(failures for _, failures, _ in parts_of_all),
                "p50_ms": percentile(latencies, 50) * 1000,
                "p99_ms": percentile(latencies, 99) * 1000,
            }
        )
    )


def request_bytes(url: str, headers: Sequence[str] = (), body: bytes | None = None) -> bytes:
    """The request as it is sent each time: a GET, or a POST with a body."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    length = [] if body is None else [f"Content-Length: {len(body)}"]
    method = "GET" if body is None else "POST"
    lines = [f"{method} {target} HTTP/1.1", f"Host: {parts.netloc}", *headers, *length, "", ""]
    return "\r\n".join(lines).encode("latin-1") + (body or b"")


def percentile(ascending: list[float], percent: float) -> float:
    """Nearest rank; 0 of nothing."""
    return ascending[min(len(ascending) - 1, int(len(ascending) * percent / 100))] if ascending else 0.0


def drive(plan: Plan) -> tuple[array[float], int, float]:
    """All connections of one process: latencies in seconds, failures, and how long it took."""
    return uvloop.run(_drive(plan))


async def _drive(plan: Plan) -> tuple[array[float], int, float]:
    loop = asyncio.get_running_loop()
    latencies: array[float] = array("d")
    began = time.perf_counter()
    until = began + plan.seconds
    async with asyncio.timeout(CONNECT_SECONDS):
        clients = [
            (await loop.create_connection(lambda: Client(plan, until, latencies), plan.host, plan.port))[1]
            for _ in range(plan.connections)
        ]
    _, late = await asyncio.wait(
        [client.done for client in clients], timeout=plan.seconds + LAST_ANSWER_SECONDS
    )
    failures = sum(client.failures for client in clients) + len(late)
    return latencies, failures, time.perf_counter() - began


if __name__ == "__main__":
    main()
