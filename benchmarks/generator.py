"""Load from processes of its own, for machines without wrk: as many requests as the answers allow.

`python -m benchmarks.generator` takes a load as a JSON line, as `benchmarks.load` writes it, answers with a
line, and ends with its input. The closed model: each connection sends its next request when it has its
answer. Requests are bytes made once and answers are read by httptools, which takes a small part of what any
Python server takes for them; `lab.traffic` keeps every request for a picture and takes as much as a server.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from array import array
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
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
        self._ended = False
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
            self._ended = True
            self._transport.close()

    def connection_lost(self, _error: Exception | None) -> None:
        """End; a connection that the server has ended counts as a failure."""
        if not self._ended:
            self.failures += 1
        if not self.done.done():
            self.done.set_result(None)

    def _send(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(self._request)


def main() -> None:
    """Drive a load for each line of standard input, and print its figures as one."""
    processes = max(1, (os.cpu_count() or 2) // 2)  # the server under load needs the others
    with ProcessPoolExecutor(processes) as pool:
        for line in sys.stdin:
            print(json.dumps(_figures(pool, processes, **json.loads(line))), flush=True)


def _figures(
    pool: ProcessPoolExecutor,
    processes: int,
    *,
    url: str,
    seconds: float,
    connections: int,
    headers: dict[str, str],
    body: str | None,
) -> dict[str, float | str]:
    parts = urlsplit(url)
    request = request_bytes(url, headers, None if body is None else body.encode())
    each = max(1, connections // processes)
    plan = Plan(parts.hostname or "127.0.0.1", parts.port or 80, request, each, seconds)
    try:
        driven = list(pool.map(drive, [plan] * processes))
    except OSError as error:
        return {"error": str(error)}
    latencies = sorted(latency for latencies, _, _ in driven for latency in latencies)
    return {
        "requests": len(latencies),
        "seconds": max(seconds for _, _, seconds in driven),
        "failures": sum(failures for _, failures, _ in driven),
        "p50_ms": percentile(latencies, 50) * 1000,
        "p99_ms": percentile(latencies, 99) * 1000,
    }


def request_bytes(url: str, headers: Mapping[str, str], body: bytes | None = None) -> bytes:
    """The request as it is sent each time: a GET, or a POST with a body."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    length = {} if body is None else {"Content-Length": str(len(body))}
    method = "GET" if body is None else "POST"
    fields = [f"{name}: {value}" for name, value in {"Host": parts.netloc, **headers, **length}.items()]
    return "\r\n".join([f"{method} {target} HTTP/1.1", *fields, "", ""]).encode("latin-1") + (body or b"")


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
