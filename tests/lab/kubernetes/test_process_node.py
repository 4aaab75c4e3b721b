"""Pods bound to the process node are real processes, kept as their specs say and told of as they go."""

import base64
import json
import signal
from pathlib import Path

import aiohttp
import psutil
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap, Node, Pod, Secret

from tests.lab.kubernetes.welcome import deployed, has_ready, is_ready, manifests, pods
from workbook_lib.lab import evidence
from workbook_lib.lab.kubernetes.client import client, kubectl
from workbook_lib.lab.kubernetes.manifests import apply, render
from workbook_lib.lab.kubernetes.process_node import PROCESS_NODE_NAME, start_node

ROOT = Path(__file__).parents[3]


async def _get(url):
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await answer.text()


def _process(pod):
    """The process that listens at a pod's address."""
    stand_in = pod.status.podIP.replace("10.", "127.", 1)
    (found,) = {
        each.pid
        for each in psutil.net_connections("tcp4")
        if each.laddr.ip == stand_in and each.laddr.port == 8000 and each.status == psutil.CONN_LISTEN
    }
    return psutil.Process(found)


async def test_a_pod_is_a_process_with_its_config_and_is_reached_by_its_service(cluster, namespace):
    async with client(cluster, namespace=namespace) as api:
        meta = ObjectMeta(name="told", namespace=namespace)
        await api.create(ConfigMap(metadata=meta, data={"GREETING": "from the ConfigMap"}))
        hidden = base64.b64encode(b"from the Secret").decode()
        await api.create(Secret(metadata=meta, data={"OPERATOR_TOKEN": hidden}))
        (container,) = manifests(namespace)[0]["spec"]["template"]["spec"]["containers"]
        env = [
            *container["env"],
            {"name": "GREETING", "valueFrom": {"configMapKeyRef": {"name": "told", "key": "GREETING"}}},
            {"name": "WELCOME_GREETING", "value": "$(GREETING), to $(POD_NAME)"},
        ]
        told = {"env": env, "envFrom": [{"secretRef": {"name": "told"}}]}
        url = await deployed(cluster, api, namespace, container=told)
        names = {pod.metadata.name for pod in await pods(api, namespace)}
        greeted = {(await _get(url)).splitlines()[0] for _ in range(4)}
        (pod, _) = await pods(api, namespace)
        environ = _process(pod).environ()
    assert greeted == {f"from the ConfigMap, to {name}" for name in names}  # each in turn
    assert environ["OPERATOR_TOKEN"] == "from the Secret"
    assert environ["WELCOME_SERVICE_HOST"].startswith("127.96.")
    assert "SSH_AUTH_SOCK" not in environ
    assert not set(environ) & {"PYTEST_CURRENT_TEST", "WORKBOOK_KUBECONFIG"}  # nothing of whoever started it


async def test_kubectl_reads_logs_and_use_of_resources(cluster, namespace):
    async with client(cluster, namespace=namespace) as api:
        await deployed(cluster, api, namespace, replicas=1)
    logged = await kubectl(cluster, "logs", "-n", namespace, "deployment/welcome")
    assert any(json.loads(line)["service"] == "welcome" for line in logged.text.splitlines())
    top = await evidence.eventually(lambda: kubectl(cluster, "top", "pods", "-n", namespace, "--no-headers"))
    _, cpu, memory = top.text.split()
    assert cpu.endswith("m")
    assert 20 <= int(memory.removesuffix("Mi")) <= 500


async def test_a_killed_process_is_started_again_in_its_pod(cluster, namespace):
    async with client(cluster, namespace=namespace) as api:
        await deployed(cluster, api, namespace, replicas=1)
        (before,) = await pods(api, namespace)
        _process(before).kill()
        await evidence.eventually(lambda: _restarted(api, namespace), 60)
        (after,) = await pods(api, namespace)
        (status,) = after.status.containerStatuses
    assert after.metadata.uid == before.metadata.uid
    assert (status.lastState.terminated.exitCode, status.lastState.terminated.signal) == (137, signal.SIGKILL)


async def _restarted(api, namespace):
    (pod,) = await pods(api, namespace)
    return is_ready(pod) and pod.status.containerStatuses[0].restartCount == 1


async def test_a_deleted_pod_drains_and_another_takes_its_place(cluster, namespace):
    async with client(cluster, namespace=namespace) as api:
        await deployed(cluster, api, namespace)
        (victim, other) = await pods(api, namespace)
        process = _process(victim)
        await api.delete(Pod, victim.metadata.name)
        await evidence.eventually(lambda: has_ready(api, namespace, 2), 60)
        names = {pod.metadata.name for pod in await pods(api, namespace)}
    assert victim.metadata.name not in names
    assert other.metadata.name in names
    assert not process.is_running()


async def test_a_container_that_cannot_run_says_why(cluster, namespace):
    async with client(cluster, namespace=namespace) as api:
        documents = manifests(namespace, replicas=1, container={"image": "nginx:1.29"})
        crashing = manifests(namespace, replicas=1, container={"args": ["--port=none"]})
        crashing[0]["metadata"]["name"] = "crashing"
        for part in (crashing[0]["spec"]["selector"]["matchLabels"], _template(crashing)["labels"]):
            part["app"] = "crashing"
        await apply(cluster, [documents[0], crashing[0]], namespace)
        found = await evidence.eventually(lambda: _waiting(api, namespace), 60)
    assert found["welcome"][0] == "ErrImagePull"
    assert "nginx:1.29" in found["welcome"][1]
    assert found["crashing"][0] == "CrashLoopBackOff"
    assert "port" in found["crashing"][1]  # the settings' own error, the last that it printed


def _template(documents):
    return documents[0]["spec"]["template"]["metadata"]


async def _waiting(api, namespace):
    """Reason and message by app, once both pods wait."""
    found = {}
    for pod in await pods(api, namespace):
        for status in pod.status.containerStatuses or ():
            if status.state.waiting and status.state.waiting.message:
                found[pod.metadata.labels["app"]] = status.state.waiting.reason, status.state.waiting.message
    return found if len(found) == 2 else None


async def test_a_failing_liveness_probe_restarts_the_container(cluster, namespace):
    async with client(cluster, namespace=namespace) as api:
        probe = {"exec": {"command": ["python", "-c", "import os; os.stat('alive')"]}, "periodSeconds": 1}
        liveness = probe | {"failureThreshold": 1, "timeoutSeconds": 20}
        await apply(
            cluster,
            manifests(namespace, replicas=1, container={"livenessProbe": liveness, "lifecycle": None}),
            namespace,
        )
        await evidence.eventually(lambda: _restarts(api, namespace), 60)


async def _restarts(api, namespace):
    (pod,) = await pods(api, namespace)
    (status,) = pod.status.containerStatuses
    return status.restartCount >= 1 and status.lastState.terminated.exitCode == 0  # drained, not killed


async def test_the_manifests_of_deploy_run_on_the_process_node(cluster, node):
    del node
    documents = (await render(cluster, ROOT / "deploy/kubernetes/overlays/dev")).of(
        "welcome", "product-service"
    )
    await apply(cluster, documents, "dev")
    try:
        for name in ("welcome", "product-service"):
            await kubectl(
                cluster, "-n", "workbook-dev", "rollout", "status", f"deployment/{name}", "--timeout=60s"
            )
    finally:
        await kubectl(cluster, "delete", "namespace", "workbook-dev", "--wait=false")


async def test_when_the_node_dies_so_do_its_processes_and_a_new_one_takes_its_pods_again(cluster, namespace):
    async with client(cluster, namespace=namespace) as api:
        await deployed(cluster, api, namespace, replicas=1)
        (before,) = await pods(api, namespace)
        process = _process(before)
        try:
            await cluster[PROCESS_NODE_NAME].kill()
            await evidence.eventually(lambda: not process.is_running(), 10)
            await evidence.eventually(lambda: _is_lost(api), 60)
            await evidence.eventually(
                lambda: _none_ready(api, namespace), 60
            )  # so no Service sends it requests
        finally:
            await start_node(cluster)
        await evidence.eventually(lambda: has_ready(api, namespace, 1), 60)


async def _is_lost(api):
    node = await api.get(Node, PROCESS_NODE_NAME)
    return any(each.type == "Ready" and each.status == "Unknown" for each in node.status.conditions)


async def _none_ready(api, namespace):
    return not any(map(is_ready, await pods(api, namespace)))
