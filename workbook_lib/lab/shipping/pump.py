"""Moves records from the log files to one sink, and again whenever something went wrong."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge

from workbook_lib.kit.backoff import Backoff
from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.logs import get_logger
from workbook_lib.lab.shipping.lines import Batch, Positions, read_batch

__all__ = ["Pump", "PumpMetrics", "Sink", "SinkAway"]

POLL_SECONDS: Final = 0.1

_log = get_logger(__name__)


class SinkAway(Exception):
    """The sink can't take records now. It has set its positions back to what it holds for certain."""


class Sink(Protocol):
    """Where records go. Each has positions of its own, so that one that is away holds up no other."""

    name: str

    @property
    def positions(self) -> Positions:
        """Behind the last records that it was given."""
        ...

    async def put(self, batch: Batch) -> None:
        """Take a batch; raises `SinkAway`."""
        ...

    async def settle(self) -> None:
        """Look, from time to time, after what was given before; raises `SinkAway`."""
        ...

    async def finish(self) -> None:
        """The last batch has been given."""
        ...


class PumpMetrics:
    """What all pumps of a process count, by sink."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.shipped = Counter(
            "log_records_shipped_total", "Records given to a sink.", ("sink",), registry=registry
        )
        self.retries = Counter(
            "log_sink_failures_total", "Times that a sink couldn't take any.", ("sink",), registry=registry
        )
        self.up = Gauge("log_sink_up", "1 while the sink takes records.", ("sink",), registry=registry)


class Pump:
    """A resource: reads `*.log` in `folder` from its sink's positions on, until it is stopped.

    Stopping reads what has been written until then. The files themselves are the buffer: no more than one
    batch is in memory, however long the sink is away.
    """

    def __init__(
        self,
        folder: Path,
        sink: Sink,
        metrics: PumpMetrics,
        *,
        leave_out: frozenset[str] = frozenset(),
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._folder = folder
        self._sink = sink
        self._metrics = metrics
        self._leave_out = leave_out
        self._clock = clock
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name=f"pump:{self._sink.name}")

    async def stop(self) -> None:
        """Move what is left, then end."""
        self._stopping.set()
        if self._task is not None:
            await self._task

    async def check(self) -> None:
        """Raises what has ended it, if anything did."""
        if self._task is not None and self._task.done():
            self._task.result()

    async def _run(self) -> None:
        pauses = Backoff(0.1, 2.0)
        up = self._metrics.up.labels(self._sink.name)
        while True:
            last = self._stopping.is_set()  # asked before reading: what comes later isn't waited for
            try:
                moved = await self._move(to_the_end=last)
                await self._sink.settle()
            except SinkAway as away:
                up.set(0)
                self._metrics.retries.labels(self._sink.name).inc()
                _log.warning("sink away", sink=self._sink.name, cause=str(away))
                await self._clock.sleep(pauses.next())
                continue
            up.set(1)
            pauses.reset()
            if not moved:
                if last:
                    break
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), POLL_SECONDS)
        await self._sink.finish()

    async def _move(self, *, to_the_end: bool) -> bool:
        batch = await asyncio.to_thread(
            read_batch,
            self._folder,
            self._sink.positions,
            leave_out=self._leave_out,
            to_the_end=to_the_end,
        )
        if batch.positions == self._sink.positions:
            return False
        await self._sink.put(batch)
        self._metrics.shipped.labels(self._sink.name).inc(len(batch.records))
        return True
