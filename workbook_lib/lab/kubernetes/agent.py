"""The node agent, a node's kubelet: it registers, renews its lease and runs the pods bound to it."""

from __future__ import annotations

import asyncio
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import psutil
from lightkube import ApiError, AsyncClient
from lightkube.models.coordination_v1 import LeaseSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.coordination_v1 import Lease
from lightkube.resources.core_v1 import Node, NodeStatus, Pod

from workbook_lib.kit.logs import get_logger
from workbook_lib.lab.kubernetes.addresses import LOOPBACK, PodAddresses
from workbook_lib.lab.kubernetes.container import Host
from workbook_lib.lab.kubernetes.following import Gone, follow
from workbook_lib.lab.kubernetes.pod import RunningPod
from workbook_lib.lab.kubernetes.status import timestamp

__all__ = ["Agent"]

LEASE_SECONDS = 40
RENEW_SECONDS = 2.0
AGAIN_SECONDS = 0.3
MOST_PODS = 110

_log = get_logger(__name__)


class Agent:
    """One node. `port` is where its logs are read and its use of resources is asked."""

    def __init__(self, name: str, client: AsyncClient, host: Host, folder: Path, *, port: int) -> None:
        self.name = name
        self.pods: dict[tuple[str, str], RunningPod] = {}
        self.registered = asyncio.Event()
        self._client, self._host, self._folder, self._port = client, host, folder, port
        self._ends: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """For ever. Raises ApiError when it isn't let in."""
        addresses = PodAddresses(await self._register())
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._renew())
            tasks.create_task(self._follow_pods(addresses))

    def start_no_more(self) -> None:
        """Start no process any more. The pods stay on the API server: they are this node's until evicted."""
        for pod in self.pods.values():
            for each in pod.containers:
                each.start_no_more()

    async def _register(self) -> str:
        """Be a Ready node of the cluster; the range of its pods' addresses."""
        labels = {
            "kubernetes.io/hostname": self.name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": {"x86_64": "amd64", "aarch64": "arm64"}.get(
                platform.machine(), platform.machine()
            ),
        }
        try:
            await self._client.create(Node(metadata=ObjectMeta(name=self.name, labels=labels)))
        except ApiError as error:
            if error.status.code != 409:  # it is known from before
                raise
        await self._client.patch(NodeStatus, self.name, {"status": self._status()})
        await self._renew_once()
        while not (cidr := await self._cidr()):  # noqa: ASYNC110 - the API is asked, no event tells
            await asyncio.sleep(AGAIN_SECONDS)
        return cidr

    async def _cidr(self) -> str | None:
        node = await self._client.get(Node, self.name)
        return node.spec.podCIDR if node.spec else None

    def _status(self) -> dict[str, Any]:
        now = timestamp(datetime.now(UTC))
        amounts = {
            "cpu": str(os.cpu_count() or 1),
            "memory": f"{psutil.virtual_memory().total // 1024}Ki",
            "pods": str(MOST_PODS),
        }
        pressures = [
            (kind, "False", f"KubeletHasNo{kind}")
            for kind in ("MemoryPressure", "DiskPressure", "PIDPressure")
        ]
        return {
            "capacity": amounts,
            "allocatable": amounts,
            # No host name: the API server would ask for the logs there first, and it resolves to nothing.
            "addresses": [{"type": "InternalIP", "address": LOOPBACK}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._port}},
            "conditions": [
                {
                    "type": kind,
                    "status": status,
                    "reason": reason,
                    "lastHeartbeatTime": now,
                    "lastTransitionTime": now,
                }
                for kind, status, reason in [*pressures, ("Ready", "True", "KubeletReady")]
            ],
            "nodeInfo": {
                "architecture": platform.machine(),
                "bootID": "",
                "containerRuntimeVersion": f"processes://python-{platform.python_version()}",
                "kernelVersion": platform.release(),
                "kubeProxyVersion": "",
                "kubeletVersion": "process-node",
                "machineID": "",
                "operatingSystem": "linux",
                "osImage": "processes of this machine",
                "systemUUID": "",
            },
        }

    async def _renew(self) -> None:
        """The node's heartbeat: a lease that it renews."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                await self._renew_once()
            except (ApiError, httpx2.HTTPError) as error:
                _log.warning("lease not renewed", cause=repr(error))

    async def _renew_once(self) -> None:
        spec = LeaseSpec(
            holderIdentity=self.name, leaseDurationSeconds=LEASE_SECONDS, renewTime=datetime.now(UTC)
        )
        lease = Lease(metadata=ObjectMeta(name=self.name, namespace="kube-node-lease"), spec=spec)
        try:
            await self._client.patch(Lease, self.name, lease, namespace="kube-node-lease")
        except ApiError as error:
            if error.status.code != 404:
                raise
            await self._client.create(lease)

    async def _follow_pods(self, addresses: PodAddresses) -> None:
        self.registered.set()
        async for each in follow(self._client, Pod, fields={"spec.nodeName": self.name}):
            if isinstance(each, Gone):
                for key in each:
                    if pod := self.pods.pop(key, None):
                        self._background(pod.lost())
            else:
                self._take(each, addresses)

    def _take(self, pod: Pod, addresses: PodAddresses) -> None:
        """A pod of ours is new or has changed."""
        if pod.metadata is None:
            return
        key = pod.metadata.namespace or "", pod.metadata.name or ""
        mine = self.pods.get(key)
        if mine is not None and mine.uid != pod.metadata.uid:  # another of the same name
            self._background(self.pods.pop(key).lost())
            mine = None
        if mine is None:
            if (
                pod.status
                and pod.status.phase in {"Succeeded", "Failed"}
                and not pod.metadata.deletionTimestamp
            ):
                return
            mine = self.pods[key] = RunningPod(pod, self._client, self._host, addresses, self._folder)
            _log.info("took pod", pod=mine.name, address=mine.address)
        if pod.metadata.deletionTimestamp:
            grace = pod.metadata.deletionGracePeriodSeconds
            mine.end(None if grace is None else float(grace))

    def _background(self, work: Any) -> None:  # noqa: ANN401 - any coroutine
        task = asyncio.create_task(work)
        self._ends.add(task)
        task.add_done_callback(self._ends.discard)
