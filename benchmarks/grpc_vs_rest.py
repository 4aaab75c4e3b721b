"""The same service over gRPC and over REST: bytes, encoding, latency, throughput, connections.

`python -m benchmarks.grpc_vs_rest [--json] [--rounds 3] [--seconds 1]`. Starts a Redis and the users service,
or measures a running one (`--http URL --grpc HOST:PORT --pid PID`, with at least 100 users). Both sides of
it are one process with all of the kit's edge on, and read the same rows. The callers are this process, one
event loop, so that throughput is that of the slower of the two; the processor time a call tells which one
that is. Ways take turns, round after round, every other round in reverse order. Over REST one user comes with
id, e-mail and source, which `GetUser` leaves out; with a hundred users the content is the same.

Not measured: TLS, a real network, other languages. Over loopback bytes cost nothing, connections little.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import median
from typing import Final

import grpc
import psutil

from benchmarks.figures import add_options, publish
from benchmarks.generator import percentile
from benchmarks.transports.codecs import Codec, codecs
from benchmarks.transports.ways import MANY, WAYS, Ask, Service, Way
from benchmarks.transports.wire import Wire, on_the_wire
from services.contracts import users_pb2
from services.contracts.users_pb2_grpc import UserServiceStub
from workbook_lib.lab import Lab

__all__ = ["TABLES", "Calls", "calls"]

WARM_CALLS = 5


@dataclass(frozen=True)
class Calls:
    """A way under load; medians of the rounds. `*_us` is processor time a call, of the best round."""

    way: str
    users: int
    per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    caller_us: float
    service_us: float


TABLES: Final = {"codecs": Codec, "wire": Wire, "calls": Calls}


@dataclass(frozen=True)
class _Sample:
    latencies: list[float]
    seconds: float
    caller_seconds: float
    service_seconds: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="of load, each time")
    parser.add_argument("--callers", type=int, default=8, help="who ask at the same time")
    parser.add_argument("--http", help="of a running service; with --grpc and --pid")
    parser.add_argument("--grpc")
    parser.add_argument("--pid", type=int)
    options = parser.parse_args()
    publish(asyncio.run(_measure(options)), options)


async def _measure(options: argparse.Namespace) -> dict[str, Sequence[Codec | Wire | Calls]]:
    encoded = list(codecs((1, MANY)))
    async with _service(options) as (service, process):
        wire = [await on_the_wire(way, service) for way in WAYS]
        loaded = await calls(service, process, options.rounds, options.seconds, options.callers)
    return {"codecs": encoded, "wire": wire, "calls": loaded}


@asynccontextmanager
async def _service(options: argparse.Namespace) -> AsyncIterator[tuple[Service, psutil.Process]]:
    if options.http:
        yield Service(options.http, options.grpc), psutil.Process(options.pid)
        return
    async with Lab("grpc-vs-rest") as lab:
        await lab.start("redis", "users")
        users = lab["users"]
        await _fill(users.grpc_target, users.operator_token)
        yield Service(users.url, users.grpc_target), psutil.Process(users.pid)


async def _fill(target: str, operator_token: str) -> None:
    async def rows() -> AsyncIterator[users_pb2.NewUser]:
        for number in range(MANY):
            yield users_pb2.NewUser(name=f"Reader {number}", email=f"reader{number}@example.com", age=30)

    async with grpc.aio.insecure_channel(target) as channel:
        metadata = [("authorization", f"Bearer {operator_token}")]
        await UserServiceStub(channel).ImportUsers(rows(), timeout=30, metadata=metadata)


async def calls(
    service: Service, process: psutil.Process, rounds: int, seconds: float, callers: int
) -> list[Calls]:
    """A row a way. Raises RuntimeError when an answer isn't whole: then something else was measured."""
    samples: dict[Way, list[_Sample]] = {way: [] for way in WAYS}
    for number in range(rounds):
        for way in WAYS if number % 2 == 0 else reversed(WAYS):
            async with way.open(service) as ask:
                for _ in range(WARM_CALLS):
                    await ask()
                samples[way].append(await _turn(way, ask, process, seconds, callers))
    return [_row(way, own) for way, own in samples.items()]


async def _turn(way: Way, ask: Ask, process: psutil.Process, seconds: float, callers: int) -> _Sample:
    latencies: list[float] = []
    before, own, began = _cpu_seconds(process), time.process_time(), time.perf_counter()
    until = began + seconds

    async def caller() -> None:
        while (sent := time.perf_counter()) < until:
            if (told := await ask()) != way.users:
                raise RuntimeError(f"{way.name}: {told} users in place of {way.users}")
            latencies.append(time.perf_counter() - sent)

    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(caller())
    return _Sample(
        sorted(latencies),
        time.perf_counter() - began,
        time.process_time() - own,
        _cpu_seconds(process) - before,
    )


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _row(way: Way, samples: Sequence[_Sample]) -> Calls:
    def milliseconds(percent: float) -> float:
        return round(median(percentile(each.latencies, percent) for each in samples) * 1000, 2)

    return Calls(
        way=way.name,
        users=way.users,
        per_second=round(median(len(each.latencies) / each.seconds for each in samples), 1),
        p50_ms=milliseconds(50),
        p95_ms=milliseconds(95),
        p99_ms=milliseconds(99),
        caller_us=round(min(each.caller_seconds / len(each.latencies) for each in samples) * 1e6, 1),
        service_us=round(min(each.service_seconds / len(each.latencies) for each in samples) * 1e6, 1),
    )


if __name__ == "__main__":
    main()
