"""Blue-green: of a service's deployments side by side one is live, and a key in Consul says which.

Each instance registers with its environment and its deployment (`blue`, `green`) as metadata. Whoever calls
the service follows the key by blocking query; changing it moves all new calls, and those under way finish
where they are.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Container, Sequence
from contextlib import aclosing

from workbook_lib.kit.consul import Consul, Instance
from workbook_lib.kit.discovery import Instances, NoInstances, Subscriber
from workbook_lib.kit.discovery.instances import in_turn
from workbook_lib.kit.logs import get_logger

__all__ = ["LiveInstances", "live_key"]

_log = get_logger(__name__)


def live_key(service: str) -> str:
    """The key in Consul that names the live deployment of `service`."""
    return f"deploy/{service}/active"


class LiveInstances(Instances):
    """The instances of the live deployment of a service, taken in turn.

    A switch takes effect when the wanted deployment has a passing instance; until then the one before it
    stays live, so that no call goes nowhere because two watches heard of a change in the wrong order. A
    resource: `start` waits at most `start_timeout_seconds` for Consul's first answers.
    """

    def __init__(
        self, consul: Consul, service: str, environment: str, *, start_timeout_seconds: float = 2.0
    ) -> None:
        self.service = service
        self.wanted: str | None = None
        """The deployment that the key names; None without the key."""
        self._consul = consul
        self._environment = environment
        self._start_timeout_seconds = start_timeout_seconds
        self._subscriber = Subscriber(consul, service, start_timeout_seconds=start_timeout_seconds)
        self._live: str | None = None
        self._told = asyncio.Event()
        self._turn = itertools.count()
        self._task: asyncio.Task[None] | None = None

    @property
    def live(self) -> str | None:
        """The deployment that calls go to."""
        if self.wanted != self._live and (self.wanted is None or self._of(self.wanted)):
            _log.info("switched", of=self.service, live=self.wanted, before=self._live)
            self._live = self.wanted
        return self._live

    @property
    def instances(self) -> Sequence[Instance]:
        """The passing instances of the live deployment."""
        live = self.live
        return [] if live is None else self._of(live)

    def next(self, *, excluding: Container[str] = ()) -> Instance:
        """The instance whose turn it is; raises `NoInstances`."""
        chosen = in_turn(self.instances, next(self._turn), excluding)
        if chosen is None:
            unset = self._live is None
            why = f"{live_key(self.service)} isn't set" if unset else f"{self._live} has none, or none left"
            raise NoInstances(f"no live instance of {self.service} in {self._environment}: {why}")
        return chosen

    async def start(self) -> None:
        """Follow the instances and the key, and wait for the first answers within the bound."""
        if self._task is not None:
            return
        self._task = asyncio.create_task(self._follow(), name=f"watch {live_key(self.service)}")
        await self._subscriber.start()
        try:
            async with asyncio.timeout(self._start_timeout_seconds):
                await self._told.wait()
        except TimeoutError:
            _log.warning("no answer from Consul yet, going on without", of=live_key(self.service))

    async def stop(self) -> None:
        """End both watches."""
        await self._subscriber.stop()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _of(self, deployment: str) -> list[Instance]:
        wanted = (self._environment, deployment)
        return [
            instance
            for instance in self._subscriber.instances
            if (instance.meta.get("environment"), instance.meta.get("deployment")) == wanted
        ]

    async def _follow(self) -> None:
        async with aclosing(self._consul.watch_key(live_key(self.service))) as answers:
            async for entry in answers:
                self.wanted = entry.text if entry is not None else None
                self._told.set()
