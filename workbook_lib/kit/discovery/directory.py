"""Finding services by name, whether there is a Consul or not."""

import asyncio
from collections.abc import Callable

from workbook_lib.kit.consul import Consul, Instance
from workbook_lib.kit.discovery.balancers import RoundRobin
from workbook_lib.kit.discovery.instances import Instances, StaticInstances
from workbook_lib.kit.discovery.memory import EndpointMemory
from workbook_lib.kit.discovery.subscriber import Subscriber

__all__ = ["Directory"]


class Directory:
    """Finds services by name: in Consul where there is one, else at the fixed address given for each.

    `memory` keeps what Consul told, for a start without it. A resource; start it before the clients that use
    what it found.
    """

    def __init__(
        self, consul_url: str | None, *, token: str | None = None, memory: EndpointMemory | None = None
    ) -> None:
        self._consul = Consul(consul_url, token=token) if consul_url else None
        self._memory = memory
        self._subscribers: list[Subscriber] = []

    def find(
        self,
        service: str,
        fixed_url: str,
        *,
        balancer: Callable[[Subscriber | StaticInstances], Instances] = RoundRobin,
    ) -> Instances:
        """The instances of `service`, chosen from by `balancer`; by default each in turn."""
        if self._consul is None:
            return balancer(StaticInstances([Instance.at(fixed_url, service=service)]))
        subscriber = Subscriber(self._consul, service, memory=self._memory)
        self._subscribers.append(subscriber)
        return balancer(subscriber)

    async def start(self) -> None:
        """Follow all services that were asked for, and wait for the first answers at the same time."""
        await asyncio.gather(*(subscriber.start() for subscriber in self._subscribers))

    async def stop(self) -> None:
        """End the watches and close the connections."""
        for subscriber in self._subscribers:
            await subscriber.stop()
        if self._consul is not None:
            await self._consul.stop()
