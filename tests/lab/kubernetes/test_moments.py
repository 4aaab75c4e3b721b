"""A recording tells each change once, in words that a picture can be labelled with."""

import pytest
from lightkube.models.apps_v1 import DeploymentSpec, DeploymentStatus, ReplicaSetSpec, ReplicaSetStatus
from lightkube.models.autoscaling_v2 import (
    CrossVersionObjectReference,
    HorizontalPodAutoscalerSpec,
    HorizontalPodAutoscalerStatus,
    MetricSpec,
    MetricStatus,
    MetricTarget,
    MetricValueStatus,
    ResourceMetricSource,
    ResourceMetricStatus,
)
from lightkube.models.core_v1 import ContainerStatus, PodCondition, PodSpec, PodStatus
from lightkube.models.meta_v1 import LabelSelector, ObjectMeta, OwnerReference
from lightkube.resources.apps_v1 import Deployment, ReplicaSet
from lightkube.resources.autoscaling_v2 import HorizontalPodAutoscaler
from lightkube.resources.core_v1 import Pod

from workbook_lib.lab.kubernetes.moments import Recording, pod_state


def pod(
    name="web-1", *, node=None, ready=None, phase="Running", restarts=0, deleted=None, owner="web-a"
) -> Pod:
    conditions = [PodCondition(type="Ready", status="True" if ready else "False")]
    return Pod(
        metadata=ObjectMeta(
            name=name,
            namespace="default",
            deletionTimestamp=deleted,
            ownerReferences=[OwnerReference(apiVersion="apps/v1", kind="ReplicaSet", name=owner, uid="1")],
        ),
        spec=PodSpec(containers=[], nodeName=node),
        status=PodStatus(
            phase=phase,
            conditions=None if ready is None else conditions,
            containerStatuses=[
                ContainerStatus(name="app", image="i", imageID="", ready=bool(ready), restartCount=restarts)
            ],
        ),
    )


@pytest.mark.parametrize(
    ("each", "was_ready", "state"),
    [
        (pod(), False, "Pending"),
        (pod(node="n"), False, "Starting"),
        (pod(node="n", ready=False), False, "Starting"),
        (pod(node="n", ready=True), False, "Ready"),
        (pod(node="n", ready=False), True, "NotReady"),
        (pod(node="n", ready=False, phase="Failed"), True, "Ended"),
        (pod(node="n", ready=True, deleted="2026-01-01T00:00:00Z"), True, "Terminating"),
        (Pod(metadata=ObjectMeta(name="bare")), False, "Pending"),
    ],
)
def test_a_pods_state_in_one_word(each, was_ready, state):
    assert pod_state(each, was_ready=was_ready) == state


def test_a_pods_story_is_told_once_and_ready_pods_are_counted_by_their_replica_set():
    recording = Recording()
    recording.saw_pod(0.0, pod())
    recording.saw_pod(0.5, pod(node="n"))
    recording.saw_pod(0.6, pod(node="n"))  # nothing new
    recording.saw_pod(1.0, pod(node="n", ready=True))
    recording.saw_pod(1.5, pod("web-2", node="n", ready=True, owner="web-b"))
    recording.saw_pod(2.0, pod(node="n", ready=True, restarts=1))
    recording.saw_pod(3.0, pod(node="n", ready=False, restarts=1))
    recording.pod_is_gone(4.0, "web-1")
    recording.pod_is_gone(4.0, "never seen")
    assert recording.states()["web-1"] == [
        *((0.0, "Pending"), (0.5, "Starting"), (1.0, "Ready"), (3.0, "NotReady"), (4.0, "Gone"))
    ]
    assert recording.ready() == {
        "web-a": [(0.0, 0), (1.0, 1), (3.0, 0)],
        "web-b": [(1.5, 0), (1.5, 1)],
    }
    assert [moment.restarts for moment in recording.pods if moment.pod == "web-1"] == [0, 0, 0, 1, 1, 1]


def test_scales_are_told_when_a_number_changes():
    def deployment(ready: int) -> Deployment:
        return Deployment(
            metadata=ObjectMeta(name="web", annotations={"deployment.kubernetes.io/revision": "2"}),
            spec=DeploymentSpec(selector=LabelSelector(), template=None, replicas=3),
            status=DeploymentStatus(replicas=3, readyReplicas=ready),
        )

    recording = Recording()
    for at, ready in enumerate((0, 0, 2)):
        recording.saw_scale(at, deployment(ready))
    spec = ReplicaSetSpec(selector=LabelSelector())
    status = ReplicaSetStatus(replicas=1)
    recording.saw_scale(3, ReplicaSet(metadata=ObjectMeta(name="web-a"), spec=spec, status=status))
    assert [(m.at, m.kind, m.wanted, m.present, m.ready, m.revision) for m in recording.scales] == [
        (0, "Deployment", 3, 3, 0, "2"),
        (2, "Deployment", 3, 3, 2, "2"),
        (3, "ReplicaSet", 1, 1, 0, ""),  # a ReplicaSet that says nothing wants one
    ]


def test_an_autoscalers_decisions_come_with_what_it_measured():
    def autoscaler(percent: int | None, desired: int) -> HorizontalPodAutoscaler:
        measured = ResourceMetricStatus(name="cpu", current=MetricValueStatus(averageUtilization=percent))
        target = MetricTarget(type="Utilization", averageUtilization=60)
        return HorizontalPodAutoscaler(
            metadata=ObjectMeta(name="web"),
            spec=HorizontalPodAutoscalerSpec(
                maxReplicas=5,
                scaleTargetRef=CrossVersionObjectReference(kind="Deployment", name="web"),
                metrics=[
                    MetricSpec(type="Resource", resource=ResourceMetricSource(name="cpu", target=target))
                ],
            ),
            status=HorizontalPodAutoscalerStatus(
                desiredReplicas=desired,
                currentReplicas=1,
                currentMetrics=None
                if percent is None
                else [MetricStatus(type="Resource", resource=measured)],
            ),
        )

    recording = Recording()
    for at, (percent, desired) in enumerate([(None, 1), (150, 3), (150, 3)]):
        recording.saw_autoscaler(at, autoscaler(percent, desired))
    assert [(m.at, m.desired, m.cpu_percent, m.target_percent) for m in recording.autoscalers] == [
        (0, 1, None, 60),
        (1, 3, 150, 60),
    ]


def test_an_object_without_a_name_is_refused():
    with pytest.raises(ValueError, match="isn't the API server's"):
        Recording().saw_pod(0.0, Pod())
