"""Several loads at the same time, what is done to the system meanwhile, and how its services bear it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from workbook_lib.lab.evidence import ProcessSample, ProcessWatch
from workbook_lib.lab.handle import Handle
from workbook_lib.lab.traffic.generator import LoadPlan
from workbook_lib.lab.traffic.process import START_SECONDS, traffic_process
from workbook_lib.lab.traffic.result import LoadResult

__all__ = ["Scenario", "Step", "carry_out", "run_scenario"]

Step = tuple[float, Callable[[], Awaitable[object]]]
"""What to do so many seconds after the beginning."""


@dataclass(frozen=True)
class Scenario:
    """How it went. Everything is on one clock: seconds count from `began_at`."""

    began_at: datetime
    loads: Mapping[str, LoadResult]
    marks: Mapping[str, float]
    """When each step was done, in seconds."""
    processes: Mapping[str, Sequence[ProcessSample]]
    """What the watched services held, by name."""

    def seconds(self, moment: datetime) -> float:
        """A moment on the scenario's clock."""
        return (moment - self.began_at).total_seconds()

    def most_under_way(self, name: str) -> int:
        """The most requests that the watched service `name` had at once. Raises KeyError."""
        return max((sample.under_way or 0 for sample in self.processes[name]), default=0)

    def growth_bytes(self, name: str) -> int:
        """By how much the memory of the watched service `name` has grown at most. Raises KeyError."""
        held = [sample.resident_bytes for sample in self.processes[name]]
        return max(held) - held[0] if held else 0

    def __repr__(self) -> str:
        loads = [f"{name}: {result!r}" for name, result in self.loads.items()]
        held = [
            f"{name}: at most {self.most_under_way(name)} under way, {self.growth_bytes(name) / 1e6:+.0f} MB"
            for name in self.processes
        ]
        return "\n".join([*loads, *held])


async def run_scenario(
    loads: Mapping[str, LoadPlan], *, steps: Mapping[str, Step] | None = None, watch: Sequence[Handle] = ()
) -> Scenario:
    """Send all loads together from one process, take each step at its time, and watch services meanwhile.

    It ends with the last answer, and when every step is done. Raises TrafficError when the sending process
    fails, and what a step raises; the load is given up then.
    """
    longest = max(plan.after_seconds + plan.seconds + 2 * plan.timeout_seconds for plan in loads.values())
    order = {"job": "together", "plans": {name: asdict(plan) for name, plan in loads.items()}}
    async with traffic_process() as process:
        began = (await process.order(order, START_SECONDS))["began"]
        async with ProcessWatch(*watch) as watched:
            offset = time.perf_counter() - time.time()
            acting = asyncio.create_task(carry_out(steps or {}, began + offset))
            try:
                answers = await _unless_failed(process.answer(START_SECONDS + longest), acting)
                marks = await acting
            finally:
                acting.cancel()
    results = {name: LoadResult.from_wire(plan.what, answers[name]) for name, plan in loads.items()}
    return Scenario(datetime.fromtimestamp(began, UTC), results, marks, watched.samples)


async def carry_out(steps: Mapping[str, Step], began: float) -> dict[str, float]:
    """Take each step so many seconds after `began` (on time.perf_counter), in the order of their times.

    Returns when each was done, in seconds. Raises what a step raises.
    """
    done: dict[str, float] = {}
    for name, (at, act) in sorted(steps.items(), key=lambda step: step[1][0]):
        await asyncio.sleep(max(0.0, began + at - time.perf_counter()))
        await act()
        done[name] = time.perf_counter() - began
    return done


async def _unless_failed(
    answer: Awaitable[dict[str, Any]], acting: asyncio.Task[dict[str, float]]
) -> dict[str, Any]:
    """The answer, unless a step fails before it is there."""
    asking = asyncio.ensure_future(answer)
    try:
        await asyncio.wait({asking, acting}, return_when=asyncio.FIRST_COMPLETED)
        if acting.done():
            acting.result()
        return await asking
    finally:
        asking.cancel()
