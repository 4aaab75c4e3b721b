"""Single flight: in one process, whoever asks for the same thing at the same time gets the same answer."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["Flights", "Turns"]

T = TypeVar("T")


class Flights(Generic[T]):
    """Runs one task a key; it goes on when a caller that waits for it is cancelled, the others need it."""

    def __init__(self) -> None:
        self._tasks: dict[Hashable, asyncio.Task[T]] = {}

    def under_way(self, key: Hashable) -> bool:
        """Whether a task runs for this key."""
        return key in self._tasks

    def begin(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> asyncio.Task[T]:
        """The task that runs for this key; a new one if there is none."""
        if (task := self._tasks.get(key)) is None:
            task = asyncio.create_task(_run(make), name=f"flight {key}")
            self._tasks[key] = task
            task.add_done_callback(lambda done: self._ended(key, done))
        return task

    async def join(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """What the key's task returns or raises."""
        return await asyncio.shield(self.begin(key, make))

    async def stop(self) -> None:
        """Cancel what is under way and wait until it has ended."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, key: Hashable, task: asyncio.Task[T]) -> None:
        del self._tasks[key]
        _see(task)


class Turns(Generic[T]):
    """Like `Flights`, but a caller joins only what begins after it came: for each key one runs and one waits.

    So a thousand callers at once cost two looks, and none of them sees what was true before it asked.
    """

    def __init__(self) -> None:
        self._running: dict[Hashable, asyncio.Task[T]] = {}
        self._waiting: dict[Hashable, asyncio.Task[T]] = {}

    async def join(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """What the key's next task returns or raises."""
        if (task := self._waiting.get(key)) is None:
            task = asyncio.create_task(self._next(key, make), name=f"turn {key}")
            self._waiting[key] = task
            task.add_done_callback(_see)
        return await asyncio.shield(task)

    async def _next(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        if (before := self._running.get(key)) is not None:
            await asyncio.wait([before])
        task = self._running[key] = self._waiting.pop(key)
        try:
            return await make()
        finally:
            if self._running[key] is task:
                del self._running[key]


async def _run(make: Callable[[], Awaitable[T]]) -> T:
    return await make()


def _see(task: asyncio.Task[T]) -> None:
    """Look at what it raised: asyncio complains of what nobody has seen, and all who waited may have left."""
    if not task.cancelled():
        task.exception()
