"""How the instances of a service are in Consul's eyes, as it changes."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from workbook_lib.kit.consul import Consul
from workbook_lib.lab.evidence.registry import CONSUL_SECONDS

__all__ = ["InstanceSample", "InstanceWatch"]


@dataclass(frozen=True, slots=True)
class InstanceSample:
    """At one moment, by id, each registered instance: passing, warning or critical. Who is missing isn't."""

    at: datetime
    statuses: dict[str, str]

    @property
    def passing(self) -> list[str]:
        """The ids of those that callers are told of."""
        return [name for name, status in self.statuses.items() if status == "passing"]


class InstanceWatch:
    """Follows a service by blocking queries from its start to its stop, and keeps each change.

    Also an async context manager. Changes that follow each other within a tenth of a second may be one.
    """

    def __init__(self, consul_url: str, service: str) -> None:
        self.service = service
        self.marks: dict[str, datetime] = {}
        """Moments to be shown beside the samples, by name."""
        self._consul = Consul(consul_url, timeout_seconds=CONSUL_SECONDS)
        self._samples: list[InstanceSample] = []
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Begin, and wait for the first answer. Raises ConsulError when Consul doesn't give one."""
        if self._task is None:
            self._keep((await self._consul.statuses(self.service)).value)
            self._task = asyncio.create_task(self._follow(), name=f"instances of {self.service}")

    async def stop(self) -> None:
        """Take no more samples. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self._consul.stop()

    def mark(self, name: str) -> datetime:
        """Name this moment; returns it."""
        self.marks[name] = datetime.now(UTC)
        return self.marks[name]

    @property
    def samples(self) -> list[InstanceSample]:
        """What was seen, oldest first, one a change."""
        return list(self._samples)

    @property
    def latest(self) -> InstanceSample:
        """The instances now."""
        return self._samples[-1]

    def seconds_to(self, instance: str, status: str | None, since: datetime) -> float | None:
        """Seconds from `since` until the instance was first seen so; None for `status`: not registered.

        0 when it was so already, None when it hasn't been yet.
        """
        earlier = [sample for sample in self._samples if sample.at <= since]
        seen = earlier[-1:] + [sample for sample in self._samples if sample.at > since]
        at = next((sample.at for sample in seen if sample.statuses.get(instance) == status), None)
        return None if at is None else max(0.0, (at - since).total_seconds())

    async def _follow(self) -> None:
        async with aclosing(self._consul.watch_statuses(self.service)) as answers:
            async for statuses in answers:
                self._keep(statuses)

    def _keep(self, statuses: dict[str, str]) -> None:
        if not self._samples or statuses != self._samples[-1].statuses:
            self._samples.append(InstanceSample(datetime.now(UTC), statuses))
