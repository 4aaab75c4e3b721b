"""How long it takes to find a fault and mend it: suspects in the order in which evidence names them, in turn.

Two kinds of evidence. A trace tells of one request what each service took and what was lost on the way to it.
A service's own log tells only how long *it* took, waiting for others included.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import httpx2

from workbook_lib.lab.evidence import EvidenceError, Jaeger, Trace, eventually, log_records, self_times
from workbook_lib.lab.handle import Handle
from workbook_lib.lab.incident import Incident
from workbook_lib.lab.lab import Lab

__all__ = ["Recovery", "TestOrders", "recover", "suspects_by_logs", "suspects_by_traces"]

ORDER_SECONDS: Final = 30.0

MEASURED: Final = ("request", "rpc")
"""The events of a service's log that tell how long something took."""


class TestOrders:
    """Orders that are placed at the gateway to measure it, one after the other."""

    __test__ = False  # for pytest, by its name

    def __init__(self, lab: Lab, *, path: str = "/users/user123/orders", sku: str = "mouse") -> None:
        self._gateway = lab["gateway"].url
        self._jaeger = Jaeger(lab.environment["JAEGER_QUERY_URL"])
        self._path = path
        self._sku = sku

    async def place(self, count: int = 6) -> list[float]:
        """Milliseconds of each. Raises EvidenceError when one isn't taken."""
        took: list[float] = []
        async with httpx2.AsyncClient(
            base_url=self._gateway, timeout=ORDER_SECONDS, trust_env=False
        ) as client:
            for _ in range(count):
                began = time.perf_counter()
                answer = await client.post(self._path, json={"sku": self._sku})
                took.append((time.perf_counter() - began) * 1000)
                if answer.status_code != httpx2.codes.CREATED:
                    raise EvidenceError(f"an order was answered by {answer.status_code}: {answer.text}")
        return took

    async def all_taken(self, count: int = 3) -> bool:
        """Whether the shop takes orders."""
        try:
            return bool(await self.place(count))
        except EvidenceError:
            return False

    async def quickest(self, count: int = 4) -> float:
        """Milliseconds of the quickest of some: chance disturbs some of them, a fault all."""
        return min(await self.place(count))

    async def traced(self, services: Iterable[str], count: int = 6) -> list[Trace]:
        """The traces of so many orders, once all these services have told of all of them."""
        since, chain = datetime.now(UTC), {"gateway", *services}
        await self.place(count)

        async def whole() -> list[Trace]:
            found = await self._jaeger.traces("gateway", limit=200)
            ours = [each for each in found if each.whole and each.root.start >= since]
            return complete if len(complete := [t for t in ours if chain <= {*t.services}]) == count else []

        return await eventually(whole)


class Recovery(NamedTuple):
    """One way to the end of an incident: who was tried in vain, who helped, and the seconds until then."""

    way: str
    in_vain: tuple[str, ...]
    guilty: str
    seconds: float

    @property
    def tries(self) -> int:
        """How many suspects were repaired: each is a release in the dark but the last."""
        return len(self.in_vain) + 1


def suspects_by_traces(
    normal: Iterable[Trace], sick: Iterable[Trace], suspects: Sequence[str]
) -> dict[str, float]:
    """Milliseconds by which each suspect's self time has grown, the most first; of the quickest requests."""
    before, now = (
        {each.service: each.total_ms for each in self_times(_quickest(group))} for group in (normal, sick)
    )
    return _most_first({name: now.get(name, 0.0) - before.get(name, 0.0) for name in suspects})


def suspects_by_logs(processes: Mapping[str, Handle], since: datetime) -> dict[str, float]:
    """Milliseconds by which the median of each suspect's own log has grown since then, the most first.

    Only the busiest kind of call of each counts. Raises EvidenceError when a log has nothing on one side.
    """
    return _most_first({name: _growth_ms(name, handle, since) for name, handle in processes.items()})


async def recover(
    way: str, incident: Incident, order: Iterable[str], is_well: Callable[[], Awaitable[bool]]
) -> Recovery:
    """Repair one suspect after another, and measure after each, until the system is well.

    Raises EvidenceError when nothing helps.
    """
    began = time.perf_counter()
    in_vain: list[str] = []
    for service in order:
        await incident.repair(service)
        if await is_well():
            return Recovery(way, tuple(in_vain), service, time.perf_counter() - began)
        in_vain.append(service)
    raise EvidenceError(f"the system is still ill after repairs of {', '.join(in_vain)}")


def _quickest(traces: Iterable[Trace], count: int = 3) -> list[Trace]:
    return sorted(traces, key=lambda trace: trace.duration_ms)[:count]


def _growth_ms(name: str, handle: Handle, since: datetime) -> float:
    by_call: dict[str, tuple[list[float], list[float]]] = {}
    for record in log_records(handle):
        if record["event"] in MEASURED and "latency_ms" in record:
            before, now = by_call.setdefault(_call(record), ([], []))
            is_now = datetime.fromisoformat(record["time"]) >= since
            (now if is_now else before).append(record["latency_ms"])
    compared = [both for both in by_call.values() if all(both)]
    if not compared:
        raise EvidenceError(f"{name} has logged no call both before and since {since}")
    before, now = max(compared, key=lambda both: len(both[1]))
    return statistics.median(now) - statistics.median(before)


def _call(record: Mapping[str, Any]) -> str:
    """What was called; of a path what it begins with, since the rest names a user or an order."""
    return f"{record['method']} {record.get('path', '')[:7]}"


def _most_first(growth: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(growth.items(), key=lambda item: item[1], reverse=True))
