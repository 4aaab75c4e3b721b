"""Services on loopback: what kube-proxy is to a node.

It follows the control plane's Services and EndpointSlices. Each cluster IP answers at its stand-in, each
NodePort at 127.0.0.1; a connection goes to a ready endpoint in turn, and to another when that one refuses it,
as kube-proxy's userspace mode did. A connection that is open stays where it is: a pod that leaves drains.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from lightkube import AsyncClient
from lightkube.models.core_v1 import ServicePort
from lightkube.resources.core_v1 import Service
from lightkube.resources.discovery_v1 import EndpointSlice

from workbook_lib.kit.logs import get_logger
from workbook_lib.lab.kubernetes.addresses import LOOPBACK, stand_in
from workbook_lib.lab.kubernetes.following import Gone, follow
from workbook_lib.lab.kubernetes.relay import ClientEnd

__all__ = ["Balancer", "ServiceProxy", "endpoints_of"]

SERVICE_LABEL = "kubernetes.io/service-name"
Address = tuple[str, int]
Key = tuple[str, str]

_log = get_logger(__name__)


@dataclass
class Balancer:
    """Round robin over the endpoints of one port of one Service."""

    endpoints: list[Address] = field(default_factory=list)
    _turn: int = 0

    def order(self) -> Iterator[Address]:
        """The endpoint whose turn it is, then the others."""
        endpoints, first = list(self.endpoints), self._turn
        self._turn += 1
        for step in range(len(endpoints)):
            yield endpoints[(first + step) % len(endpoints)]


def endpoints_of(slices: list[EndpointSlice], port: str) -> list[Address]:
    """Where a port (by its name, "" for the only one) of a Service leads to, on loopback.

    Ready endpoints; when there are none, those that end but still serve (Kubernetes, "Traffic to terminating
    endpoints").
    """
    ready: dict[Address, None] = {}
    ending: dict[Address, None] = {}
    for each in slices:
        numbers = [p.port for p in each.ports or () if (p.name or "") == port and p.port]
        for endpoint in each.endpoints or ():
            state = endpoint.conditions
            for number in numbers:
                for address in endpoint.addresses:
                    if not address.startswith("10."):
                        continue  # not a pod of ours, such as the API server itself
                    where = stand_in(address), number
                    if state is None or state.ready is not False:
                        ready[where] = None
                    elif state.serving and state.terminating:
                        ending[where] = None
    return sorted(ready or ending)


class ServiceProxy:
    """The listeners of all Services, kept as the control plane has them."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._services: dict[Key, Service] = {}
        self._slices: dict[Key, EndpointSlice] = {}
        self._balancers: dict[tuple[Key, str], Balancer] = {}
        self._listeners: dict[Address, tuple[tuple[Key, str], asyncio.Server]] = {}

    async def run(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_services())
            tasks.create_task(self._follow_slices())

    async def _follow_services(self) -> None:
        async for each in follow(self._client, Service):
            if isinstance(each, Gone):
                for key in each:
                    self._services.pop(key, None)
            elif each.metadata:
                self._services[each.metadata.namespace or "", each.metadata.name or ""] = each
            self._balance()
            await self._listen()

    async def _follow_slices(self) -> None:
        async for each in follow(self._client, EndpointSlice):
            if isinstance(each, Gone):
                for key in each:
                    self._slices.pop(key, None)
            elif each.metadata:
                self._slices[each.metadata.namespace or "", each.metadata.name or ""] = each
            self._balance()

    def _balance(self) -> None:
        by_service: dict[Key, list[EndpointSlice]] = {}
        for (namespace, _), each in self._slices.items():
            owner = (each.metadata.labels or {}).get(SERVICE_LABEL, "") if each.metadata else ""
            by_service.setdefault((namespace, owner), []).append(each)
        for key, service in self._services.items():
            for port in (service.spec.ports if service.spec else None) or ():
                name = port.name or ""
                balancer = self._balancers.setdefault((key, name), Balancer())
                balancer.endpoints = endpoints_of(by_service.get(key, []), name)

    async def _listen(self) -> None:
        """Open what is missing, close what is no Service's any more; open connections stay."""
        wanted = dict(self._wanted())
        for where, (port, listener) in list(self._listeners.items()):
            if wanted.get(where) != port:
                listener.close()
                del self._listeners[where]
        loop = asyncio.get_running_loop()
        for where, port in wanted.items():
            if where in self._listeners:
                continue
            balancer = self._balancers.setdefault(port, Balancer())
            try:
                listener = await loop.create_server(_client_of(balancer), *where, reuse_address=True)
            except OSError as error:
                _log.warning(
                    "can't listen", service=port[0][1], host=where[0], port=where[1], cause=str(error)
                )
            else:
                self._listeners[where] = port, listener

    def _wanted(self) -> Iterator[tuple[Address, tuple[Key, str]]]:
        for key, service in self._services.items():
            if service.spec is None or not service.spec.selector:
                continue
            for port in service.spec.ports or ():
                for where in _addresses(service, port):
                    yield where, (key, port.name or "")


def _client_of(balancer: Balancer) -> Callable[[], ClientEnd]:
    return lambda: ClientEnd(balancer.order())


def _addresses(service: Service, port: ServicePort) -> Iterator[Address]:
    """Where one port of a Service is to answer."""
    cluster_ip = (service.spec.clusterIP if service.spec else None) or ""
    if cluster_ip.startswith("10."):
        yield stand_in(cluster_ip), port.port
    if port.nodePort:
        yield LOOPBACK, port.nodePort
