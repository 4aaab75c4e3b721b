"""The article's advice on speed, tried in Python: which of it pays, and how much.

`python -m benchmarks.speed_advice [--json] [--rounds 5] [--seconds 1] [--only TOPIC…]`. Topics: `release
mode` (how a server is started), `access log` (how much a service says), `gzip`, `pooling` (connections,
buffers) and `json` (who writes the answer). Each topic's first way is what the others are compared with (in
`pooling`: the way without a pool); they take turns.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import httpx2

from benchmarks.figures import add_options, publish
from benchmarks.frameworks import UVICORN
from benchmarks.load import Load
from benchmarks.rounds import Way, interleaved, least
from benchmarks.service_stack import HANDLERS
from benchmarks.serving import all_served, python, served

__all__ = ["TOPICS", "Row"]

USER = "/users/7"
ADVICE = python("benchmarks.advice_app", "{port}")
CALLS_ON_OWN, CALLS_ON_ONE = 10, 200  # so that making the one client doesn't count for much
BUFFER_BYTES = 64 << 10
BUFFERS = 2_000


@dataclass(frozen=True)
class Row:
    """One way of a topic: processor time a request or call in its best round, and its ratio to the first way.

    `bytes` is the length of the answer's body as it is sent; 0 where that isn't the question.
    """

    topic: str
    way: str
    cpu_us: float
    ratio: float
    bytes: int = 0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of load, each time")
    parser.add_argument("--only", nargs="+", choices=sorted(TOPICS), metavar="TOPIC", help="some topics")
    options = parser.parse_args()
    chosen = [TOPICS[name] for name in TOPICS if name in (options.only or TOPICS)]
    rows = [row for topic in chosen for row in topic(options.rounds, options.seconds)]
    publish(rows, options)


def release_mode(rounds: int, seconds: float) -> Iterator[Row]:
    """The same FastAPI app, started for production, and with what developers turn on or leave out."""
    app = ["benchmarks.contenders.fastapi_app:app", "--port", "{port}"]
    plain = ["--loop", "asyncio", "--http", "h11", "--no-access-log", "--log-level", "warning"]
    run, python_only = python("uvicorn", *app), [sys.executable]
    commands = {
        "uvloop, httptools": [*run, *UVICORN],
        "python -O (no asserts)": [*python_only, "-O", *run[1:], *UVICORN],
        "--reload": [*run, *UVICORN, "--reload", "--reload-dir", "benchmarks/contenders"],
        "asyncio, h11": [*run, *plain],
        "python -X dev": [*python_only, "-X", "dev", *run[1:], *UVICORN],
    }
    with ExitStack() as running:
        servers = all_served(running, {way: served(each, USER) for way, each in commands.items()})
        ways = {way: Way(each, Load(each.url + USER, seconds)) for way, each in servers.items()}
        yield from _rows("release mode", ways, rounds)


def access_log(rounds: int, seconds: float) -> Iterator[Row]:
    """A whole service of the kit, saying nothing of requests, a line for each, and all that libraries say."""
    path, body = HANDLERS["order"]
    with ExitStack() as running:
        command = python("benchmarks.stack.apps", "kit", "{port}")
        starting = {
            level: served(command, env={"LOG_LEVEL": level}) for level in ("INFO", "WARNING", "DEBUG")
        }
        servers = all_served(running, starting)
        ways = {
            level: Way(each, Load(each.url + path, seconds, body=body)) for level, each in servers.items()
        }
        yield from _rows("access log", ways, rounds)


def compression(rounds: int, seconds: float) -> Iterator[Row]:
    """The same catalogue of 100 products, asked for with and without Accept-Encoding: gzip."""
    with served(ADVICE, "/health") as server:
        ways = {
            encoding: Way(
                server, Load(f"{server.url}/catalogue", seconds, headers={"Accept-Encoding": encoding})
            )
            for encoding in ("identity", "gzip")
        }
        yield from _rows("gzip", ways, rounds)


def serialisers(rounds: int, seconds: float) -> Iterator[Row]:
    """The same catalogue through a response model, the standard library and msgspec."""
    with served(ADVICE, "/health") as server:
        ways = {
            way: Way(server, Load(f"{server.url}/{way}", seconds, headers={"Accept-Encoding": "identity"}))
            for way in ("model", "dict", "msgspec")
        }
        yield from _rows("json", ways, rounds)


def pooling(rounds: int, _seconds: float) -> Iterator[Row]:
    """What Go's sync.Pool is for, and what pays in Python: buffers, and connections."""
    yield from _timed_rows("pooling", _buffers(), rounds)
    with served(python("benchmarks.contenders.aiohttp_app", "{port}"), USER) as server:
        yield from _timed_rows("pooling", _clients(server.url + USER), rounds)


TOPICS: dict[str, Callable[[int, float], Iterator[Row]]] = {
    "release mode": release_mode,
    "access log": access_log,
    "gzip": compression,
    "pooling": pooling,
    "json": serialisers,
}


def _rows(topic: str, ways: dict[str, Way], rounds: int) -> Iterator[Row]:
    samples = interleaved(ways, rounds)
    taken = {way: least(own, lambda each: each.cpu_us) for way, own in samples.items()}
    first = next(iter(taken.values()))
    for way, cpu_us in taken.items():
        length = _body_bytes(ways[way].load) if topic == "gzip" else 0
        yield Row(topic, way, cpu_us, round(cpu_us / first, 3), length)


def _body_bytes(load: Load) -> int:
    request = urllib.request.Request(load.url, headers=dict(load.headers))  # noqa: S310 - http on loopback
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
        return len(answer.read())


def _timed_rows(topic: str, ways: dict[str, Callable[[], int]], rounds: int) -> Iterator[Row]:
    """Ways that are tried in this process; each returns how many calls it has made."""
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, call in ways.items():
            gc.collect()
            began = time.process_time()
            calls = call()
            taken[way].append((time.process_time() - began) / calls * 1e6)
    first = min(next(iter(taken.values())))
    for way, own in taken.items():
        yield Row(topic, way, round(min(own), 2), round(min(own) / first, 3))


def _buffers() -> dict[str, Callable[[], int]]:
    """Filling the beginning of a buffer of 64 KiB, as a handler that puts an answer together does."""
    part, pool = b"x" * 1024, [bytearray(BUFFER_BYTES)]

    def new() -> int:
        for _ in range(BUFFERS):
            buffer = bytearray(BUFFER_BYTES)
            buffer[: len(part)] = part
        return BUFFERS

    def pooled() -> int:
        for _ in range(BUFFERS):
            buffer = pool.pop() if pool else bytearray(BUFFER_BYTES)
            buffer[: len(part)] = part
            pool.append(buffer)
        return BUFFERS

    def joined() -> int:
        for _ in range(BUFFERS):
            b"".join((part, b"\n"))
        return BUFFERS

    return {"a new 64 KiB buffer": new, "a pooled 64 KiB buffer": pooled, "no buffer: join the parts": joined}


def _clients(url: str) -> dict[str, Callable[[], int]]:
    """Calls to another service, each on a client of its own, and all on one."""

    async def own() -> None:
        for _ in range(CALLS_ON_OWN):
            async with httpx2.AsyncClient(trust_env=False) as client:
                (await client.get(url)).raise_for_status()

    async def shared() -> None:
        async with httpx2.AsyncClient(trust_env=False) as client:
            for _ in range(CALLS_ON_ONE):
                (await client.get(url)).raise_for_status()

    def call_on_own() -> int:
        asyncio.run(own())
        return CALLS_ON_OWN

    def call_on_one() -> int:
        asyncio.run(shared())
        return CALLS_ON_ONE

    return {"a new HTTP client a call": call_on_own, "one HTTP client for all": call_on_one}


if __name__ == "__main__":
    main()
