"""Nodes and pods in name only, for a cluster of a size that no laptop has: KWOK plays their kubelets.

The API server, the scheduler and the controllers do all the work that they would do for real ones. Such a
node is tainted, so that only pods which tolerate it are bound to it.
"""

from __future__ import annotations

import asyncio
from typing import Final

from lightkube import AsyncClient
from lightkube.models.apps_v1 import DeploymentSpec
from lightkube.models.core_v1 import (
    Container,
    NodeSpec,
    NodeStatus,
    PodSpec,
    PodTemplateSpec,
    ResourceRequirements,
    Taint,
    Toleration,
)
from lightkube.models.meta_v1 import LabelSelector, ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Node

__all__ = ["KWOK_NODE", "add_nodes", "imaginary", "remove_nodes"]

KWOK_NODE: Final = "kwok.x-k8s.io/node"
"""The annotation that KWOK looks for, and our taint's key."""

_LABELS: Final = {"type": "kwok"}
# The kubelet's default, and what Kubernetes is made for (Kubernetes, "Considerations for large clusters").
_PODS_A_NODE: Final = 110


async def add_nodes(client: AsyncClient, count: int, *, cpu: str = "32", memory: str = "128Gi") -> list[str]:
    """Make nodes `kwok-1` to `kwok-<count>`, each for 110 pods at most; returns their names.

    Raises ApiError, such as for a name that is taken.
    """
    capacity = {"cpu": cpu, "memory": memory, "pods": str(_PODS_A_NODE)}
    nodes = [
        Node(
            metadata=ObjectMeta(
                name=f"kwok-{number}",
                annotations={KWOK_NODE: "fake"},
                labels={**_LABELS, "kubernetes.io/hostname": f"kwok-{number}"},
            ),
            spec=NodeSpec(taints=[Taint(key=KWOK_NODE, value="fake", effect="NoSchedule")]),
            status=NodeStatus(capacity=capacity, allocatable=capacity),
        )
        for number in range(1, count + 1)
    ]
    await asyncio.gather(*(client.create(node) for node in nodes))
    return [f"kwok-{number}" for number in range(1, count + 1)]


async def remove_nodes(client: AsyncClient) -> None:
    """Delete all of them; the pods bound to them are deleted by the controllers. Raises ApiError."""
    found = [node.metadata async for node in client.list(Node, labels={**_LABELS})]
    await asyncio.gather(*(client.delete(Node, each.name) for each in found if each and each.name))


def imaginary(name: str, replicas: int, *, namespace: str = "default") -> Deployment:
    """A Deployment of pods that run on such nodes and nowhere else; of its image nothing is ever fetched."""
    labels = {"app": name}
    pod = PodSpec(
        containers=[
            Container(
                name="app",
                image="imaginary",
                resources=ResourceRequirements(requests={"cpu": "100m", "memory": "64Mi"}),
            )
        ],
        nodeSelector=_LABELS,
        tolerations=[Toleration(key=KWOK_NODE, operator="Exists", effect="NoSchedule")],
        terminationGracePeriodSeconds=1,
    )
    return Deployment(
        metadata=ObjectMeta(name=name, namespace=namespace, labels=labels),
        spec=DeploymentSpec(
            replicas=replicas,
            selector=LabelSelector(matchLabels=labels),
            template=PodTemplateSpec(metadata=ObjectMeta(labels=labels), spec=pod),
        ),
    )
