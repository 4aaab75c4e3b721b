"""The process node as a chapter starts it."""

from __future__ import annotations

import base64
import ssl
import sys
from collections.abc import Iterable, Mapping

from lightkube.models.apiregistration_v1 import APIServiceSpec, ServiceReference
from lightkube.models.core_v1 import ServicePort, ServiceSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apiregistration_v1 import APIService
from lightkube.resources.core_v1 import Node, Service

from workbook_lib.lab.errors import LabError
from workbook_lib.lab.handle import Handle
from workbook_lib.lab.kubernetes.addresses import LOOPBACK
from workbook_lib.lab.kubernetes.client import client, kubeconfig
from workbook_lib.lab.lab import Lab
from workbook_lib.lab.ports import PortRequest
from workbook_lib.lab.readiness import http_get
from workbook_lib.lab.servers.kubernetes_identity import KUBE_PROXY, PROCESS_NODE, Identity

__all__ = ["PROCESS_NODE_NAME", "node_port_url", "start_node"]

PROCESS_NODE_NAME = PROCESS_NODE.name.rpartition(":")[2]
_METRICS = "metrics-server"


async def start_node(lab: Lab) -> Handle | None:
    """Start the process node in the lab's cluster, and offer metrics.k8s.io by it.

    Returns when the node is registered. Its pods are processes of this project on this machine's loopback
    network; all of them end with the handle's `stop`, or however the node ends. None on a cluster of the
    user's own, which has nodes. Raises LabError where loopback has one address only (macOS).
    """
    if lab["kubernetes"].process is None:
        return None
    if sys.platform != "linux":
        raise LabError("a process node needs all of 127.0.0.0/8 on loopback, which only Linux has")
    identity = Identity.of(lab.environment)

    def command(ports: Mapping[str, int]) -> list[str]:
        return [
            *(sys.executable, "-m", "workbook_lib.lab.kubernetes.node", "--name", PROCESS_NODE_NAME),
            *("--node-kubeconfig", str(kubeconfig(lab, PROCESS_NODE))),
            *("--proxy-kubeconfig", str(kubeconfig(lab, KUBE_PROXY))),
            *("--identity", str(identity.folder)),
            *("--folder", str(lab.folder / PROCESS_NODE_NAME)),
            *("--port", str(ports["https"])),
        ]

    async def check(ports: Mapping[str, int]) -> str | None:
        url = f"https://127.0.0.1:{ports['https']}/healthz"
        status, body = await http_get(url, tls=_as_the_api_server(identity))
        return None if status == 200 else body.decode(errors="replace")

    handle = await lab.run_program(PROCESS_NODE_NAME, command, check, ports=[PortRequest("https")], fork=True)
    await _aggregate(lab, handle.port("https"), identity.authority.read_bytes())
    return handle


async def _aggregate(lab: Lab, port: int, authority: bytes) -> None:
    """Have the API server pass metrics.k8s.io on to the node's port."""
    meta = ObjectMeta(name=_METRICS, namespace="kube-system")
    external = ServiceSpec(type="ExternalName", externalName="localhost", ports=[ServicePort(port=port)])
    spec = APIServiceSpec(
        group="metrics.k8s.io",
        version="v1beta1",
        service=ServiceReference(name=_METRICS, namespace="kube-system", port=port),
        caBundle=base64.b64encode(authority).decode(),
        groupPriorityMinimum=100,
        versionPriority=100,
    )
    async with client(lab) as cluster:
        await cluster.apply(Service(metadata=meta, spec=external), field_manager="workbook", force=True)
        api = APIService(metadata=ObjectMeta(name="v1beta1.metrics.k8s.io"), spec=spec)
        await cluster.apply(api, field_manager="workbook", force=True)


def _as_the_api_server(identity: Identity) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=identity.authority)
    context.load_cert_chain(identity.aggregator_certificate, identity.aggregator_key)
    return context


async def node_port_url(lab: Lab, service: str, *, namespace: str = "default") -> str:
    """Where a Service of type NodePort is reached: on this machine, or at a node of the user's own cluster.

    Raises ApiError when there is no such Service, LabError when it has no node port.
    """
    async with client(lab) as cluster:
        found = await cluster.get(Service, service, namespace=namespace)
        port = next(
            (port.nodePort for port in (found.spec and found.spec.ports) or () if port.nodePort), None
        )
        if port is None:
            raise LabError(f"the Service {service} has no node port")
        host = LOOPBACK
        if lab["kubernetes"].process is None:
            nodes = [node async for node in cluster.list(Node)]
            host = _outside_address(nodes)
    return f"http://{host}:{port}"


def _outside_address(nodes: Iterable[Node]) -> str:
    addresses = {
        each.type: each.address for node in nodes for each in (node.status and node.status.addresses) or ()
    }
    for kind in ("ExternalIP", "InternalIP"):
        if kind in addresses:
            return addresses[kind]
    raise LabError("no node of your cluster tells its address")
