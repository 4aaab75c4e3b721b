"""One pod on the process node: its containers, its status written back, its end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
from lightkube import ApiError, AsyncClient
from lightkube.models.core_v1 import Container
from lightkube.resources.core_v1 import Pod, PodStatus, Service
from lightkube.types import PatchType

from workbook_lib.kit.logs import get_logger
from workbook_lib.lab.kubernetes.addresses import LOOPBACK, PodAddresses, stand_in
from workbook_lib.lab.kubernetes.container import Host, RunningContainer
from workbook_lib.lab.kubernetes.environment import ApiSources, container_environment
from workbook_lib.lab.kubernetes.status import pod_status

__all__ = ["RunningPod"]

AGAIN_SECONDS = 0.3
DEFAULT_GRACE_SECONDS = 30.0

_log = get_logger(__name__)


class RunningPod:
    """Runs a pod from when it was bound to the node until it is deleted, or has ended by itself."""

    def __init__(
        self,
        pod: Pod,
        client: AsyncClient,
        host: Host,
        addresses: PodAddresses,
        folder: Path,
    ) -> None:
        if pod.metadata is None or pod.spec is None:
            raise ValueError("a pod has metadata and a spec")
        self.namespace, self.name = pod.metadata.namespace or "", pod.metadata.name or ""
        self.uid = pod.metadata.uid or ""
        self.labels: Mapping[str, str] = pod.metadata.labels or {}
        self.spec = pod.spec
        self._pod, self._client, self._addresses = pod, client, addresses
        ports = [port.containerPort for each in pod.spec.containers for port in each.ports or ()]
        self.address = addresses.take(ports)
        self._sources = ApiSources(client)
        self._started_at = datetime.now(UTC)
        self._conditions: list[dict[str, Any]] = []
        self._changes = asyncio.Event()
        self._deleted = False  # by force, or by somebody else: there is nothing left to write to
        self._ending: asyncio.Task[None] | None = None
        self.containers = self._containers(pod, host, folder / f"{self.namespace}_{self.name}_{self.uid}")
        self._running = [asyncio.create_task(each.run()) for each in self.containers]
        self._writing = asyncio.create_task(self._write_back())
        self._changes.set()

    def end(self, grace_seconds: float | None = None) -> asyncio.Task[None]:
        """Stop its containers, then take it off the API server. Idempotent."""
        if self._ending is None:
            grace = self._grace_seconds if grace_seconds is None else grace_seconds
            for each in self.containers:
                each.start_no_more()
            self._ending = asyncio.create_task(self._end(grace))
        return self._ending

    async def lost(self) -> None:
        """It is no longer on the API server: kill what is left of it."""
        self._deleted = True
        await asyncio.gather(*(each.kill() for each in self.containers))
        await self.end(0)

    async def _end(self, grace_seconds: float) -> None:
        _log.info("ending pod", pod=self.name, grace_seconds=grace_seconds)
        await asyncio.gather(*(each.stop(grace_seconds) for each in self.containers))
        await asyncio.gather(*self._running)
        self._writing.cancel()
        await asyncio.gather(self._writing, return_exceptions=True)
        while not self._deleted:
            try:
                await self._write()
                await self._client.delete(Pod, self.name, namespace=self.namespace, grace_period=0)
                break
            except ApiError as error:
                if error.status.code in {404, 409}:
                    break
                _log.warning("pod not taken off", pod=self.name, cause=str(error))
            except httpx2.HTTPError as error:
                _log.warning("pod not taken off", pod=self.name, cause=repr(error))
            await asyncio.sleep(AGAIN_SECONDS)
        self._addresses.release(self.address)

    async def _write_back(self) -> None:
        """Write the status after each change of it, as long as the API server has the pod."""
        while not self._deleted:
            await self._changes.wait()
            self._changes.clear()
            try:
                await self._write()
            except ApiError as error:
                if error.status.code == 404:
                    return
                await self._write_again(error)
            except httpx2.HTTPError as error:
                await self._write_again(error)

    async def _write_again(self, error: Exception) -> None:
        _log.warning("status not written", pod=self.name, cause=repr(error))
        self._changes.set()
        await asyncio.sleep(AGAIN_SECONDS)

    async def _write(self) -> None:
        status = pod_status(
            [each.state for each in self.containers],
            now=datetime.now(UTC),
            started_at=self._started_at,
            address=self.address,
            host_address=LOOPBACK,
            restart_policy=self.spec.restartPolicy or "Always",
            before=self._conditions,
        )
        self._conditions = status["conditions"]
        # The uid guards against another pod of the same name, such as a StatefulSet's next.
        patch = {"metadata": {"uid": self.uid}, "status": status}
        await self._client.patch(
            PodStatus, self.name, patch, namespace=self.namespace, patch_type=PatchType.STRATEGIC
        )

    async def _variables(self, container: Container) -> dict[str, str]:
        # Asked anew: a Service that was made just before the pod is known to it.
        services = [each async for each in self._client.list(Service, namespace=self.namespace)]
        return await container_environment(
            self._pod, container, stand_in(self.address), services, self._sources
        )

    def _containers(self, pod: Pod, host: Host, folder: Path) -> list[RunningContainer]:
        ran_before = {each.name: each.restartCount + 1 for each in _statuses(pod)}
        return [
            RunningContainer(
                each,
                host,
                stand_in(self.address),
                folder / each.name,
                variables=self._variables,
                changed=self._changes.set,
                restart_policy=self.spec.restartPolicy or "Always",
                grace_seconds=self._grace_seconds,
                restarts=ran_before.get(each.name, 0),
            )
            for each in self.spec.containers
        ]

    @property
    def _grace_seconds(self) -> float:
        seconds = self.spec.terminationGracePeriodSeconds
        return DEFAULT_GRACE_SECONDS if seconds is None else float(seconds)


def _statuses(pod: Pod) -> Iterable[Any]:
    return (pod.status.containerStatuses if pod.status else None) or ()
