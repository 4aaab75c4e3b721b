"""The HPA controller scales pods of the process node by the processor time that they really use."""

import asyncio

import pytest
import yaml
from lightkube.resources.apps_v1 import Deployment

from tests.lab.kubernetes.welcome import deployed
from workbook_lib.lab import evidence
from workbook_lib.lab.kubernetes.client import client
from workbook_lib.lab.kubernetes.manifests import apply
from workbook_lib.lab.kubernetes.watching import record
from workbook_lib.lab.traffic import run_load

pytestmark = pytest.mark.alone

AUTOSCALER = """
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: welcome}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: welcome}
  minReplicas: 1
  maxReplicas: 2
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 100}}}]
"""


async def test_load_brings_a_second_pod_and_its_end_takes_it_away(cluster, namespace):
    async with client(cluster, namespace=namespace) as api, record(api, namespace) as recording:
        url = await deployed(cluster, api, namespace, replicas=1)
        autoscaler = yaml.safe_load(AUTOSCALER) | {"metadata": _named(namespace)}
        await apply(cluster, [autoscaler], f"{namespace}-hpa")
        load = asyncio.create_task(run_load(url, concurrency=4, seconds=60, timeout_seconds=30))
        try:
            await evidence.eventually(lambda: _replicas(api, namespace, 2), 60)
        finally:
            load.cancel()
        await asyncio.gather(load, return_exceptions=True)
        await evidence.eventually(lambda: _replicas(api, namespace, 1), 90)
    measured = [each.cpu_percent for each in recording.autoscalers if each.cpu_percent is not None]
    assert max(measured) > 100  # more than the pod requests, and so the reason
    assert {each.desired for each in recording.autoscalers} >= {1, 2}


def _named(namespace):
    return {"name": "welcome", "namespace": namespace}


async def _replicas(api, namespace, count):
    deployment = await api.get(Deployment, "welcome", namespace=namespace)
    return deployment.spec.replicas == count
