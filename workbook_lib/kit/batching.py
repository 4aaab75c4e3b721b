"""Micro-batching: what callers ask for one by one is worked on together, and nobody waits for others long.

For work whose cost grows slower than its size, such as a model's forward pass: many rows of one matrix
product cost little more than one. The rule is that of Clipper (Crankshaw and others, NSDI 2017) and of NVIDIA
Triton's dynamic batcher: a batch goes when it is full, or when its first item has waited long enough. While a
batch is under way the next one fills, so under load the waiting costs nothing.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.errors import Internal, Unavailable

__all__ = ["Batched", "MicroBatcher"]

T = TypeVar("T")
R = TypeVar("R")


class Batched(NamedTuple, Generic[R]):
    """One caller's result, in how large a batch it was made, and how long it had waited for that to begin."""

    value: R
    batch_size: int
    waited_seconds: float


class _Waiting(NamedTuple, Generic[T, R]):
    item: T
    since: float
    result: "asyncio.Future[Batched[R]]"


class MicroBatcher(Generic[T, R]):
    """Gives what is submitted to `run` in batches of at most `max_batch`, one batch at a time.

    A resource. `run` returns a result for each item, in their order; what it raises, every caller of that
    batch gets, so check each item before. A batch waits for company until `max_wait_seconds` after its first
    item came; 0 takes what is there. Whoever has given up meanwhile is left out. Raises ValueError for a
    batch of none or a negative wait.
    """

    def __init__(
        self,
        run: Callable[[Sequence[T]], Awaitable[Sequence[R]]],
        *,
        max_batch: int,
        max_wait_seconds: float,
        max_waiting: int = 256,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        if max_batch < 1 or max_wait_seconds < 0:
            raise ValueError("max_batch is at least 1, max_wait_seconds isn't negative")
        self._run = run
        self._max_batch = max_batch
        self._max_wait_seconds = max_wait_seconds
        self._max_waiting = max_waiting
        self._clock = clock
        self._waiting: deque[_Waiting[T, R]] = deque()
        self._came = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to take items."""
        if self._worker is None:
            self._worker = asyncio.create_task(self._work(), name="micro-batches")

    async def stop(self) -> None:
        """Take no more, and cancel what is waiting; a batch under way is abandoned."""
        worker, self._worker = self._worker, None
        if worker is None:
            return
        worker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await worker
        for each in self._waiting:
            each.result.cancel()
        self._waiting.clear()

    async def check(self) -> None:
        """Raises Unavailable when nothing is worked on."""
        if self._worker is None or self._worker.done():
            raise Unavailable("batches aren't worked on")

    async def submit(self, item: T) -> Batched[R]:
        """The result for `item`; raises what `run` raised, and Unavailable where too many are waiting."""
        await self.check()
        if len(self._waiting) >= self._max_waiting:
            raise Unavailable(f"{len(self._waiting)} are waiting already")
        waiting: _Waiting[T, R] = _Waiting(
            item, self._clock.monotonic(), asyncio.get_running_loop().create_future()
        )
        self._waiting.append(waiting)
        self._came.set()
        return await waiting.result

    async def _work(self) -> None:
        while True:
            await self._filled()
            if batch := self._taken():
                try:
                    await self._serve(batch)
                except asyncio.CancelledError:
                    for each in batch:
                        each.result.cancel()
                    raise

    async def _filled(self) -> None:
        """Wait until a batch is full, or until its first item has waited long enough."""
        while not self._waiting:
            self._came.clear()
            await self._came.wait()
        left = self._waiting[0].since + self._max_wait_seconds - self._clock.monotonic()
        if left <= 0 or len(self._waiting) >= self._max_batch:
            return
        over = asyncio.ensure_future(self._clock.sleep(left))
        try:
            while not over.done() and len(self._waiting) < self._max_batch:
                self._came.clear()
                another = asyncio.ensure_future(self._came.wait())
                await asyncio.wait({over, another}, return_when=asyncio.FIRST_COMPLETED)
                another.cancel()
        finally:
            over.cancel()

    def _taken(self) -> list[_Waiting[T, R]]:
        batch: list[_Waiting[T, R]] = []
        while self._waiting and len(batch) < self._max_batch:
            each = self._waiting.popleft()
            if not each.result.done():  # else its caller has gone
                batch.append(each)
        return batch

    async def _serve(self, batch: list[_Waiting[T, R]]) -> None:
        began = self._clock.monotonic()
        try:
            results = await self._run([each.item for each in batch])
            if len(results) != len(batch):
                raise Internal(f"{len(results)} results for {len(batch)} items")
        except Exception as error:  # noqa: BLE001 - it is the callers', whatever it was
            for each in batch:
                if not each.result.done():
                    each.result.set_exception(error)
            return
        for each, result in zip(batch, results, strict=True):
            if not each.result.done():
                each.result.set_result(Batched(result, len(batch), began - each.since))
