"""The same shop as one process and as services under the same load; and incidents, with traces and without.

`python -m benchmarks.monolith [--json] [--record] [--seconds 2] [--rounds 2]`. Takes about 4 minutes. Both
systems run side by side on this machine with the same data, logs, metrics and tracing (one trace in ten), and
take turns; of each figure's rounds the one with the most answers counts. Load comes from one more process.

`loads`: three kinds of requests at several concurrencies. `slow`: a user's home needs recommendations, which
answer 200 ms late; profiles don't. `instances`: a page of a hundred users is work for one of the services: it
gets more instances, and so does the monolith. `busiest_ms` is the processor time of the busiest process a
request, which bounds the throughput however many cores there are. `recovery`: each of three services in turn
becomes hard to reach, and is found and repaired by the evidence of traces, or of each service's own log.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.figures import add_options, publish
from benchmarks.incidents import RecoveryRow, recoveries
from workbook_lib.lab import Lab, evidence, faults, traffic
from workbook_lib.lab.handle import Handle

__all__ = ["TABLES", "InstancesRow", "LoadRow", "SlowRow", "measure"]

PROFILE: Final[dict[str, Any]] = {"path": "/users/user123"}
ORDER: Final[dict[str, Any]] = {
    "path": "/users/user123/orders",
    "method": "POST",
    "json": {"sku": "mouse", "quantity": 1},
}
PAGE: Final[dict[str, Any]] = {"path": "/users?limit=100"}
LOADS: Final = {"profile": PROFILE, "order": ORDER, "page of 100": PAGE}
CONCURRENCIES: Final = (1, 8, 32)
INSTANCES: Final = (1, 2, 3)
SERVICES: Final = ("gateway", "users", "orders", "inventory")
LATE_SECONDS: Final = 0.1  # each way
USERS: Final = 120
READY_SECONDS: Final = 60.0
MOST_FAILURES: Final = 0.5
"""SQLite's writers wait for their turn in no order: of many, some may wait longer than they are let."""
PATIENCE_SECONDS: Final = 30.0
ENVIRONMENT: Final = {
    "TRACE_RATIO": "0.1",
    "SERVICE_ENVIRONMENT": "staging",  # without debug lines
    # The slowest answers shall be measured, too. A monolith waits for nobody.
    "GATEWAY_TIMEOUT_SECONDS": str(PATIENCE_SECONDS),
    "USERS_ORDER_TIMEOUT_SECONDS": str(PATIENCE_SECONDS),
    "ORDERS_RESERVE_TIMEOUT_SECONDS": str(PATIENCE_SECONDS),
}


@dataclass(frozen=True)
class LoadRow:
    """One system under one load; `cpu_ms` is what a request costs all its processes together."""

    load: str
    concurrency: int
    system: str
    per_second: float
    failures: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu_ms: float
    memory_mb: int


@dataclass(frozen=True)
class SlowRow:
    """One route of one system, while the other route is asked as well."""

    dependency: str
    system: str
    route: str
    per_second: float
    failures: int
    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True)
class InstancesRow:
    """Pages of a hundred users from so many instances of what makes them."""

    system: str
    instances: int
    per_second: float
    failures: int
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    busiest_ms: float
    memory_mb: int


TABLES: Final = {"loads": LoadRow, "slow": SlowRow, "instances": InstancesRow, "recovery": RecoveryRow}


@dataclass(frozen=True)
class System:
    """Where it is asked, and what it consists of."""

    name: str
    urls: tuple[str, ...]
    handles: tuple[Handle, ...]


@dataclass(frozen=True)
class Measured:
    """A load, and what it cost each process (milliseconds a request)."""

    result: traffic.LoadResult
    cpu_ms: dict[str, float]
    memory_bytes: int

    @property
    def shown(self) -> dict[str, float]:
        """Columns that rows have in common."""
        return {
            "per_second": round(self.result.throughput, 1),
            "failures": self.result.failures,
            "p50_ms": round(self.result.percentile(50), 2),
            "p99_ms": round(self.result.percentile(99), 2),
            "cpu_ms": round(sum(self.cpu_ms.values()), 2),
            "memory_mb": round(self.memory_bytes / 1e6),
        }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each load")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=tuple(TABLES), default=tuple(TABLES))
    options = parser.parse_args()
    publish(asyncio.run(measure(options.seconds, options.rounds, options.only)), options)


async def measure(
    seconds: float = 2.0, rounds: int = 2, only: Sequence[str] = tuple(TABLES)
) -> dict[str, list[Any]]:
    """These tables. Raises RuntimeError when requests fail that shouldn't."""
    tables: dict[str, list[Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        if {*only} - {"recovery"}:
            async with _shops(Path(folder)) as lab:
                systems = [_services(lab), _monolith(lab)]
                if "loads" in only:
                    tables["loads"] = await _loads(systems, seconds, rounds)
                if "slow" in only:
                    tables["slow"] = await _slow(lab, systems, seconds)
                if "instances" in only:
                    tables["instances"] = await _instances(lab, seconds, rounds)
        if "recovery" in only:
            tables["recovery"] = await recoveries(Path(folder))
    return tables


@asynccontextmanager
async def _shops(folder: Path) -> AsyncIterator[Lab]:
    """Both systems with the same data, and enough of it: users for a page, stock for every order."""
    data = Path(__file__).parents[1] / "data"
    users = json.loads((data / "users.json").read_text())
    users += [
        {"id": f"more{n:03}", "name": f"User {n}", "email": f"user{n}@example.com", "age": 20 + n % 50}
        for n in range(USERS - len(users))
    ]
    stock = [{**item, "available": 10_000_000} for item in json.loads((data / "stock.json").read_text())]
    files = {"users": users, "stock": stock}
    paths = {name: folder / f"{name}.json" for name in files}
    for name, path in paths.items():
        path.write_text(json.dumps(files[name]))
    env = {
        **ENVIRONMENT,
        "USERS_SEED_FILE": str(paths["users"]),
        "MONOLITH_USERS_FILE": str(paths["users"]),
        "INVENTORY_SEED_FILE": str(paths["stock"]),
        "MONOLITH_STOCK_FILE": str(paths["stock"]),
    }
    async with Lab("monolith-benchmark", root=folder) as lab:
        await lab.start("jaeger", *SERVICES, "recommendations", "monolith", env=env)
        yield lab


def _services(lab: Lab, users: int = 1) -> System:
    more = [lab["users", index] for index in range(2, users + 1)]
    return System("services", (lab["gateway"].url,), (*(lab[name] for name in SERVICES), *more))


def _monolith(lab: Lab, instances: int = 1) -> System:
    handles = tuple(lab["monolith", index] for index in range(1, instances + 1))
    return System("monolith", tuple(handle.url for handle in handles), handles)


async def _loads(systems: list[System], seconds: float, rounds: int) -> list[LoadRow]:
    rows = []
    for load, plan in LOADS.items():
        for concurrency in CONCURRENCIES:
            best = await _best(systems, plan, concurrency, seconds, rounds)
            rows += [
                LoadRow(
                    load,
                    concurrency,
                    system.name,
                    p95_ms=round(each.result.percentile(95), 2),
                    **each.shown,  # type: ignore[arg-type]
                )
                for system, each in zip(systems, best, strict=True)
            ]
    return rows


async def _instances(lab: Lab, seconds: float, rounds: int) -> list[InstancesRow]:
    rows = []
    concurrency = max(CONCURRENCIES)
    for instances in INSTANCES:
        await lab.start("users", "monolith", instances=instances, env=_env_of_running(lab))
        systems = [_services(lab, instances), _monolith(lab, instances)]
        await _until_all_are_asked(lab, instances)
        best = await _best(systems, PAGE, concurrency, seconds, rounds)
        for system, each in zip(systems, best, strict=True):
            busiest = round(max(each.cpu_ms.values()), 2)
            rows.append(InstancesRow(system.name, instances, busiest_ms=busiest, **each.shown))  # type: ignore[arg-type]
    return rows


def _env_of_running(lab: Lab) -> dict[str, str]:
    return {**ENVIRONMENT, **lab.environment}


async def _until_all_are_asked(lab: Lab, instances: int) -> None:
    """Until the gateway knows all instances of users: each then gets requests."""

    async def known() -> bool:
        spending = evidence.Spending(*(lab["users", index] for index in range(1, instances + 1)))
        await traffic.run_load(f"{lab['gateway'].url}{PAGE['path']}", concurrency=8, seconds=0.5)
        return all(used > 0 for used in spending.cpu_seconds().values())

    await evidence.eventually(known, READY_SECONDS)


async def _best(
    systems: list[System], plan: dict[str, Any], concurrency: int, seconds: float, rounds: int
) -> list[Measured]:
    """Of each system the round with the most answers: what else the machine does can only take some away."""
    taken: list[list[Measured]] = [[] for _ in systems]
    for number in range(rounds):
        turns = list(zip(systems, taken, strict=True))
        for system, kept in turns if number % 2 == 0 else reversed(turns):
            kept.append(await _one(system, plan, concurrency, seconds))
    return [max(kept, key=lambda each: each.result.throughput) for kept in taken]


async def _one(system: System, plan: dict[str, Any], concurrency: int, seconds: float) -> Measured:
    share = max(1, concurrency // len(system.urls))
    options = {name: value for name, value in plan.items() if name != "path"}
    plans = {
        url: traffic.LoadPlan(
            url + plan["path"],
            concurrency=share,
            seconds=seconds,
            timeout_seconds=PATIENCE_SECONDS,
            **options,
        )
        for url in system.urls
    }
    spending = evidence.Spending(*system.handles)
    result = traffic.LoadResult.merged((await traffic.run_scenario(plans)).loads.values())
    if result.failures > MOST_FAILURES * result.requests:
        raise RuntimeError(f"{system.name}: {result!r}")
    cpu_ms = {name: used / result.requests * 1000 for name, used in spending.cpu_seconds().items()}
    return Measured(result, cpu_ms, sum(evidence.memory_bytes(*system.handles).values()))


async def _slow(lab: Lab, systems: list[System], seconds: float) -> list[SlowRow]:
    """Homes and profiles at a steady rate, before and after recommendations become slow."""
    rows = []
    proxy = await faults.proxy(lab, "recommendations")
    try:
        for dependency in ("as usual", "200 ms late"):
            await proxy.delay(0 if dependency == "as usual" else LATE_SECONDS)
            for system in systems:
                url = system.urls[0] + PROFILE["path"]
                plans = {
                    route: traffic.LoadPlan(url + suffix, rate=60, seconds=seconds)
                    for route, suffix in {"home": "/home", "profile": ""}.items()
                }
                scenario = await traffic.run_scenario(plans)
                rows += [_slow_row(dependency, system, *each) for each in scenario.loads.items()]
    finally:
        await proxy.close()
    return rows


def _slow_row(dependency: str, system: System, route: str, result: traffic.LoadResult) -> SlowRow:
    return SlowRow(
        dependency,
        system.name,
        route,
        round(result.throughput, 1),
        result.failures,
        *(round(result.percentile(percent), 2) for percent in (50, 95, 99)),
    )


if __name__ == "__main__":
    main()
