"""What happened in a cluster, and when: the states of its pods, ReplicaSets and autoscalers. No I/O.

All times are seconds since the recording began.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from lightkube.models.core_v1 import PodCondition
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment, ReplicaSet
from lightkube.resources.autoscaling_v2 import HorizontalPodAutoscaler
from lightkube.resources.core_v1 import Pod

__all__ = ["AutoscalerMoment", "PodMoment", "PodState", "Recording", "ScaleMoment", "pod_state"]

PodState = Literal["Pending", "Starting", "Ready", "NotReady", "Terminating", "Ended", "Gone"]
"""Pending: bound to no node. Starting: bound, and never ready so far. NotReady: it was ready before. Ended:
its containers have, and aren't started again. Gone: deleted."""

REVISION = "deployment.kubernetes.io/revision"


@dataclass(frozen=True, slots=True)
class PodMoment:
    """A pod has come into another state, or a container of it was started again."""

    at: float
    pod: str
    replica_set: str
    """The ReplicaSet that made it; "" for a pod of nobody's."""
    state: PodState
    node: str = ""
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class ScaleMoment:
    """How many replicas a Deployment or ReplicaSet shall have, and how many there are."""

    at: float
    kind: Literal["Deployment", "ReplicaSet"]
    name: str
    wanted: int
    present: int
    ready: int
    revision: str = ""
    """The Deployment's count of its templates."""


@dataclass(frozen=True, slots=True)
class AutoscalerMoment:
    """What a HorizontalPodAutoscaler has measured and decided."""

    at: float
    name: str
    current: int
    desired: int
    cpu_percent: int | None
    """Average use, as a share of what the pods request; None before it is known."""
    target_percent: int | None


@dataclass
class Recording:
    """Everything seen so far, in order; an object that is seen again unchanged is left out."""

    pods: list[PodMoment] = field(default_factory=list)
    scales: list[ScaleMoment] = field(default_factory=list)
    autoscalers: list[AutoscalerMoment] = field(default_factory=list)
    _pods: dict[str, PodMoment] = field(default_factory=dict)
    _scales: dict[tuple[str, str], ScaleMoment] = field(default_factory=dict)
    _autoscalers: dict[str, AutoscalerMoment] = field(default_factory=dict)

    def saw_pod(self, at: float, pod: Pod) -> None:
        """A pod as it is now."""
        meta, name = _named(pod.metadata)
        before = self._pods.get(name)
        status = pod.status
        restarts = sum(each.restartCount for each in (status and status.containerStatuses) or ())
        owner = next((o.name for o in meta.ownerReferences or () if o.kind == "ReplicaSet"), "")
        state = pod_state(pod, was_ready=before is not None and before.state in ("Ready", "NotReady"))
        node = (pod.spec and pod.spec.nodeName) or ""
        self._pod(PodMoment(at, name, owner, state, node, restarts))

    def pod_is_gone(self, at: float, name: str) -> None:
        """A pod was deleted."""
        last = self._pods.get(name)
        if last is not None:
            self._pod(PodMoment(at, name, last.replica_set, "Gone", last.node, last.restarts))

    def saw_scale(self, at: float, each: Deployment | ReplicaSet) -> None:
        """A Deployment or a ReplicaSet as it is now."""
        meta, name = _named(each.metadata)
        status, spec = each.status, each.spec
        moment = ScaleMoment(
            at,
            "Deployment" if isinstance(each, Deployment) else "ReplicaSet",
            name,
            1 if spec is None or spec.replicas is None else spec.replicas,
            (status and status.replicas) or 0,
            (status and status.readyReplicas) or 0,
            (meta.annotations or {}).get(REVISION, ""),
        )
        key = (moment.kind, moment.name)
        if _news(self._scales.get(key), moment):
            self._scales[key] = moment
            self.scales.append(moment)

    def saw_autoscaler(self, at: float, each: HorizontalPodAutoscaler) -> None:
        """An autoscaler as it is now."""
        _, name = _named(each.metadata)
        status = each.status
        targets = [
            metric.resource.target.averageUtilization
            for metric in (each.spec and each.spec.metrics) or ()
            if metric.resource is not None and metric.resource.name == "cpu"
        ]
        measured = [
            metric.resource.current.averageUtilization
            for metric in (status and status.currentMetrics) or ()
            if metric.resource is not None and metric.resource.name == "cpu"
        ]
        moment = AutoscalerMoment(
            at,
            name,
            (status and status.currentReplicas) or 0,
            status.desiredReplicas if status else 0,
            next(iter(measured), None),
            next(iter(targets), None),
        )
        if _news(self._autoscalers.get(moment.name), moment):
            self._autoscalers[moment.name] = moment
            self.autoscalers.append(moment)

    def states(self) -> dict[str, list[tuple[float, PodState]]]:
        """For each pod, when it came into which state."""
        found: dict[str, list[tuple[float, PodState]]] = {}
        for moment in self.pods:
            story = found.setdefault(moment.pod, [])
            if not story or story[-1][1] != moment.state:
                story.append((moment.at, moment.state))
        return found

    def ready(self) -> dict[str, list[tuple[float, int]]]:
        """For each ReplicaSet, how many of its pods were ready from when on, by the pods' own conditions."""
        ready: dict[str, set[str]] = {}
        found: dict[str, list[tuple[float, int]]] = {}
        for moment in self.pods:
            those = ready.setdefault(moment.replica_set, set())
            steps = found.setdefault(moment.replica_set, [(moment.at, 0)])
            if moment.state == "Ready":
                those.add(moment.pod)
            else:
                those.discard(moment.pod)
            if steps[-1][1] != len(those):
                steps.append((moment.at, len(those)))
        return found

    def _pod(self, moment: PodMoment) -> None:
        if _news(self._pods.get(moment.pod), moment):
            self._pods[moment.pod] = moment
            self.pods.append(moment)


def pod_state(pod: Pod, *, was_ready: bool = False) -> PodState:
    """A pod's state in one word; `was_ready` tells NotReady from Starting."""
    status = pod.status
    if pod.metadata is not None and pod.metadata.deletionTimestamp is not None:
        return "Terminating"
    if status is not None and status.phase in ("Succeeded", "Failed"):
        return "Ended"
    if pod.spec is None or not pod.spec.nodeName:
        return "Pending"
    if _is_ready((status and status.conditions) or []):
        return "Ready"
    return "NotReady" if was_ready else "Starting"


def _named(metadata: ObjectMeta | None) -> tuple[ObjectMeta, str]:
    """The API gives every object a name. Raises ValueError for one that didn't come from there."""
    if metadata is None or not metadata.name:
        raise ValueError("an object without a name isn't the API server's")
    return metadata, metadata.name


def _is_ready(conditions: list[PodCondition]) -> bool:
    return any(each.type == "Ready" and each.status == "True" for each in conditions)


def _news(before: object, now: PodMoment | ScaleMoment | AutoscalerMoment) -> bool:
    """Whether it says anything but the time anew."""
    if not isinstance(before, type(now)):
        return True
    return any(getattr(before, name) != getattr(now, name) for name in now.__slots__ if name != "at")
