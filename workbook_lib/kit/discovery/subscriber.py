"""Following a service's instances in Consul."""

import asyncio
import contextlib
from collections.abc import Sequence
from contextlib import aclosing

from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.consul import Consul, Instance
from workbook_lib.kit.discovery.memory import EndpointMemory
from workbook_lib.kit.logs import get_logger

__all__ = ["Subscriber"]

_log = get_logger(__name__)


class Subscriber:
    """Follows the passing instances of one service in Consul.

    When Consul fails, the last known good instances stay in use and `age_seconds` tells how old they are. An
    empty answer is an answer: it replaces them. `start` waits at most `start_timeout_seconds` for the first
    answer and goes on without one, since the service may be needed before Consul is there: with what
    `memory` knows from before, if it is given.
    """

    def __init__(
        self,
        consul: Consul,
        service: str,
        *,
        start_timeout_seconds: float = 2.0,
        memory: EndpointMemory | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.service = service
        self._consul = consul
        self._start_timeout_seconds = start_timeout_seconds
        self._memory = memory
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
        self._remember()
        self._task = asyncio.create_task(self._follow(), name=f"watch {self.service}")
        try:
            async with asyncio.timeout(self._start_timeout_seconds):
                await self._answered.wait()
        except TimeoutError:
            _log.warning(
                "no answer from Consul yet, going on without", of=self.service, known=len(self._instances)
            )

    async def stop(self) -> None:
        """End the watch, also in the middle of a blocking query."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _remember(self) -> None:
        remembered = self._memory.recall(self.service) if self._memory and not self._instances else None
        if remembered is not None:
            self._instances = remembered.instances
            self._answered_at = self._clock.monotonic() - remembered.age_seconds

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
                if self._memory is not None:
                    self._memory.keep(self.service, instances)
