"""What a service owns while it runs: resources, started in order and stopped in reverse, and its workers."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from workbook_lib.kit.errors import Unavailable
from workbook_lib.kit.logs import get_logger

__all__ = ["Resource", "Resources", "Worker"]

_log = get_logger(__name__)


class Resource(Protocol):
    """Something with a lifetime: a pool, a client, a server.

    It may also have `async check() -> None`, which raises when it is sick.
    """

    async def start(self) -> None:
        """Get ready; raises when that fails. Cancelling is safe."""
        ...

    async def stop(self) -> None:
        """Give everything back; harmless when not started or stopped before."""
        ...


class Worker:
    """A coroutine that runs as long as the service. When it ends by itself the service is sick."""

    def __init__(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        self.name = name
        self._run = run
        self._task: asyncio.Task[None] | None = None
        self._cause = "not started"

    async def start(self) -> None:
        """Let it run in a task of its own."""
        self._task = asyncio.create_task(self._supervised(), name=f"worker:{self.name}")

    async def stop(self) -> None:
        """Cancel it and wait until it has ended."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def check(self) -> None:
        """Raises Unavailable when the coroutine has ended."""
        if self._task is None or self._task.done():
            raise Unavailable(self._cause)

    async def _supervised(self) -> None:
        try:
            await self._run()
            self._cause = "ended by itself"
            _log.error("worker ended", worker=self.name)
        except Exception as error:  # noqa: BLE001 - it is reported by /health and in the log
            self._cause = f"died: {type(error).__name__}"
            _log.exception("worker died", worker=self.name)


class Resources:
    """An ordered set of resources with one lifetime."""

    def __init__(self, stop_seconds: float) -> None:
        self._stop_seconds = stop_seconds
        self._all: list[tuple[str, Any]] = []
        self._started: list[tuple[str, Any]] = []

    def add(self, resource: Resource, name: str | None = None) -> None:
        """Append one; `name` is how /health calls it, by default its class."""
        name = name or type(resource).__name__.lower()
        taken = sum(known == name or known.startswith(f"{name}-") for known, _ in self._all)
        self._all.append((f"{name}-{taken + 1}" if taken else name, resource))

    async def start(self) -> None:
        """Start all in order; when one fails, stop those started and raise its error."""
        if self._started:
            return
        try:
            for name, resource in self._all:
                self._started.append((name, resource))
                await resource.start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop in reverse order, each within a bound; one that fails is logged and the others still stop."""
        while self._started:
            name, resource = self._started.pop()
            try:
                await asyncio.wait_for(resource.stop(), self._stop_seconds)
            except Exception:  # noqa: BLE001 - the others must stop too
                _log.exception("resource didn't stop", resource=name)

    def checks(self) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        """The checks of those that have one, by name."""
        return [(name, resource.check) for name, resource in self._all if hasattr(resource, "check")]
