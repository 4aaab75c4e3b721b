"""What running services hold over time: memory, and requests under way."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, NamedTuple, Self

import psutil

from workbook_lib.lab.evidence.metrics import metric
from workbook_lib.lab.evidence.polling import EvidenceError
from workbook_lib.lab.handle import Handle

__all__ = ["ProcessSample", "ProcessWatch"]

INTERVAL_SECONDS: Final = 0.2
UNDER_WAY: Final = "http_requests_in_flight"


class ProcessSample(NamedTuple):
    """A service at one moment. `under_way` is None where it didn't say in time."""

    at: datetime
    resident_bytes: int
    under_way: int | None


class ProcessWatch:
    """Looks at services of the lab again and again, in the background of an `async with` block.

    Memory is the operating system's figure (resident, without children); requests under way are the service's
    own gauge, less the question itself. One that has died is left out from then on.
    """

    def __init__(self, *handles: Handle, interval_seconds: float = INTERVAL_SECONDS) -> None:
        self._handles = handles
        self._interval_seconds = interval_seconds
        self._samples: dict[str, list[ProcessSample]] = {handle.name: [] for handle in handles}
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        for handle in self._handles:
            watching = self._watch(handle, psutil.Process(handle.pid))
            self._tasks.append(asyncio.create_task(watching, name=f"watch of {handle.name}"))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    @property
    def samples(self) -> dict[str, list[ProcessSample]]:
        """What was seen so far by name, oldest first."""
        return {name: list(seen) for name, seen in self._samples.items()}

    async def _watch(self, handle: Handle, process: psutil.Process) -> None:
        with suppress(psutil.NoSuchProcess):
            while handle.alive:
                under_way = await _under_way(f"{next(iter(handle.addresses.values()))}/metrics")
                # An overloaded service answers late, and tells of the moment when it does.
                sample = ProcessSample(datetime.now(UTC), process.memory_info().rss, under_way)
                self._samples[handle.name].append(sample)
                await asyncio.sleep(self._interval_seconds)


async def _under_way(url: str) -> int | None:
    try:
        return max(0, round(await metric(url, UNDER_WAY)) - 1)
    except EvidenceError:
        return None
