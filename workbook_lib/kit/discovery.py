"""Finding a service's instances and choosing one of them per call (after go-kit's sd and sd/lb)."""

import asyncio
import contextlib
import itertools
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from typing import Protocol

from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.consul import Consul, Instance
from workbook_lib.kit.errors import Unavailable
from workbook_lib.kit.logs import get_logger

__all__ = ["Directory", "Instances", "NoInstances", "RoundRobin", "StaticInstances", "Subscriber"]

_log = get_logger(__name__)


class NoInstances(Unavailable):
    """There is no instance to call; the message tells whether none is healthy or none was ever heard of."""


class Instances(Protocol):
    """Where a client's next call goes."""

    @property
    def instances(self) -> Sequence[Instance]:
        """The instances now known."""
        ...

    def next(self) -> Instance:
        """The instance for one call; raises `NoInstances`."""
        ...


class Subscriber:
    """Follows the passing instances of one service in Consul.

    When Consul fails, the last known good instances stay in use and `age_seconds` tells how old they are. An
    empty answer is an answer: it replaces them. `start` waits at most `start_timeout_seconds` for the first
    answer and goes on without one, since the service may be needed before Consul is there.
    """

    def __init__(
        self, consul: Consul, service: str, *, start_timeout_seconds: float = 2.0, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.service = service
        self._consul = consul
        self._start_timeout_seconds = start_timeout_seconds
        self._clock = clock
        self._instances: tuple[Instance, ...] = ()
        self._answered_at: float | None = None
        self._answered = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def instances(self) -> Sequence[Instance]:
        """The last known good instances, in the order of their ids."""
        return self._instances

    @property
    def age_seconds(self) -> float | None:
        """Seconds since Consul last confirmed the instances; None before its first answer.

        In quiet times Consul confirms at the end of each wait (half a minute), so only a greater age means
        trouble.
        """
        return None if self._answered_at is None else self._clock.monotonic() - self._answered_at

    async def start(self) -> None:
        """Begin to follow, and wait for the first answer within the bound."""
        if self._task is not None:
            return
        self._task = asyncio.create_task(self._follow(), name=f"watch {self.service}")
        try:
            async with asyncio.timeout(self._start_timeout_seconds):
                await self._answered.wait()
        except TimeoutError:
            _log.warning("no answer from Consul yet, going on without", of=self.service)

    async def stop(self) -> None:
        """End the watch, also in the middle of a blocking query."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _follow(self) -> None:
        async with aclosing(self._consul.watch_health(self.service)) as answers:
            async for instances in answers:
                if tuple(instances) != self._instances:
                    _log.info(
                        "instances changed",
                        of=self.service,
                        instances=[instance.id for instance in instances],
                    )
                self._instances = tuple(instances)
                self._answered_at = self._clock.monotonic()
                self._answered.set()


class RoundRobin:
    """Each instance in turn: exact while the instances don't change, whoever calls (tasks or threads)."""

    def __init__(self, source: Subscriber) -> None:
        self._source = source
        self._turn = itertools.count()  # next() on it is atomic in CPython, so no lock is needed

    @property
    def instances(self) -> Sequence[Instance]:
        """The instances that take turns."""
        return self._source.instances

    def next(self) -> Instance:
        """The instance whose turn it is; raises `NoInstances`."""
        instances = self._source.instances
        if not instances:
            never = self._source.age_seconds is None
            reason = "Consul hasn't answered yet" if never else "none passes its health check"
            raise NoInstances(f"no instance of {self._source.service}: {reason}")
        return instances[next(self._turn) % len(instances)]


class StaticInstances:
    """A fixed list of instances in turn, for where there is no Consul."""

    def __init__(self, instances: Iterable[Instance]) -> None:
        self.instances: Sequence[Instance] = tuple(instances)
        if not self.instances:
            raise ValueError("at least one instance is needed")
        self._turn = itertools.cycle(self.instances)

    @classmethod
    def at(cls, *urls: str) -> "StaticInstances":
        """Instances at fixed addresses, each a URL or host:port."""
        return cls(Instance.at(url) for url in urls)

    def next(self) -> Instance:
        """The instance whose turn it is."""
        return next(self._turn)


class Directory:
    """Finds services by name: in Consul where there is one, else at the fixed address given for each.

    A resource; start it before the clients that use what it found.
    """

    def __init__(self, consul_url: str | None, *, token: str | None = None) -> None:
        self._consul = Consul(consul_url, token=token) if consul_url else None
        self._subscribers: list[Subscriber] = []

    def find(self, service: str, fixed_url: str) -> Instances:
        """The instances of `service`, taken in turn."""
        if self._consul is None:
            return StaticInstances([Instance.at(fixed_url, service=service)])
        subscriber = Subscriber(self._consul, service)
        self._subscribers.append(subscriber)
        return RoundRobin(subscriber)

    async def start(self) -> None:
        """Follow all services that were asked for, and wait for the first answers at the same time."""
        await asyncio.gather(*(subscriber.start() for subscriber in self._subscribers))

    async def stop(self) -> None:
        """End the watches and close the connections."""
        for subscriber in self._subscribers:
            await subscriber.stop()
        if self._consul is not None:
            await self._consul.stop()
