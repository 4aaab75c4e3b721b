"""A Deployment and a Service of services.welcome, quick enough for a test."""

import aiohttp
import yaml
from lightkube.resources.core_v1 import Pod

from workbook_lib.lab import evidence
from workbook_lib.lab.kubernetes.manifests import apply
from workbook_lib.lab.kubernetes.process_node import node_port_url

TEMPLATE = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: welcome}
spec:
  replicas: 2
  progressDeadlineSeconds: 60
  strategy: {rollingUpdate: {maxUnavailable: 0, maxSurge: 1}}
  selector: {matchLabels: {app: welcome}}
  template:
    metadata: {labels: {app: welcome}}
    spec:
      terminationGracePeriodSeconds: 20
      automountServiceAccountToken: false
      containers:
        - name: service
          image: microservices-workbook:dev
          command: [python, -m, services.welcome]
          args: [--host=$(POD_IP), --port=8000, --instance=$(POD_NAME)]
          ports: [{name: http, containerPort: 8000}]
          env:
            - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
            - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
            - {name: WELCOME_GREETING, value: one}
          resources: {requests: {cpu: 50m, memory: 64Mi}}
          startupProbe: {httpGet: {path: /health, port: http}, periodSeconds: 1, failureThreshold: 60}
          readinessProbe: {httpGet: {path: /health, port: http}, periodSeconds: 1, timeoutSeconds: 5}
          lifecycle: {preStop: {sleep: {seconds: 2}}}
---
apiVersion: v1
kind: Service
metadata: {name: welcome}
spec:
  type: NodePort
  selector: {app: welcome}
  ports: [{name: http, port: 80, targetPort: http}]
"""


def manifests(namespace, **changes):
    """Both objects; `changes` are of the Deployment's spec, `container` of its container."""
    deployment, service = yaml.safe_load_all(TEMPLATE)
    for each in (deployment, service):
        each["metadata"]["namespace"] = namespace
    deployment["spec"]["template"]["spec"]["containers"][0] |= changes.pop("container", {})
    deployment["spec"] |= changes
    return [deployment, service]


async def deployed(cluster, api, namespace, **changes):
    """Apply them and wait until all replicas are ready and reached; the Service's URL by its NodePort."""
    documents = manifests(namespace, **changes)
    # A pod is told of the Services that are there when it starts.
    await apply(cluster, sorted(documents, key=lambda each: each["kind"] != "Service"), namespace)
    wanted = documents[0]["spec"]["replicas"]
    await evidence.eventually(lambda: has_ready(api, namespace, wanted), 90)
    url = await node_port_url(cluster, "welcome", namespace=namespace)
    # The node's proxy hears of a ready pod later than we do.
    await evidence.eventually(lambda: _leads_to(url, wanted))
    return url


async def _leads_to(url, count):
    """Whether so many connections, one after another, are answered by as many pods."""
    served_by = set()
    for _ in range(count):
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            served_by.add(answer.headers["X-Served-By"])
    return len(served_by) == count


async def has_ready(api, namespace, count):
    """Whether exactly that many pods are ready and none is on its way out."""
    found = await pods(api, namespace)
    return len(found) == count and all(map(is_ready, found))


async def pods(api, namespace):
    """The pods of the namespace."""
    return [each async for each in api.list(Pod, namespace=namespace)]


def is_ready(pod):
    """Whether a pod is ready and isn't being deleted."""
    conditions = (pod.status and pod.status.conditions) or []
    ready = any(each.type == "Ready" and each.status == "True" for each in conditions)
    return ready and pod.metadata.deletionTimestamp is None
