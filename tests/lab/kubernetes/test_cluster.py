"""The control plane does what Kubernetes does, seen by the chapter's clients; KWOK plays the kubelets."""

import asyncio

import pytest
from lightkube import ApiError
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Namespace, Node, Pod, Secret, Service

from workbook_lib.lab import Lab, LabError, evidence
from workbook_lib.lab.command import CommandFailed
from workbook_lib.lab.kubernetes.client import client, kubeconfig, kubectl
from workbook_lib.lab.kubernetes.kwok import add_nodes, imaginary, remove_nodes
from workbook_lib.lab.kubernetes.watching import record
from workbook_lib.lab.servers.kubernetes_identity import KUBE_PROXY, PROCESS_NODE, SCHEDULER

NAMESPACE = "imaginary"


@pytest.fixture(scope="module")
def kwok(cluster):
    """The session's control plane, with KWOK and two nodes of its for this module's tests."""

    async def begin() -> None:
        await cluster.start("kwok")
        async with client(cluster) as api:
            await api.create(Namespace(metadata=ObjectMeta(name=NAMESPACE)))
            await add_nodes(api, 2)

    async def end() -> None:
        async with client(cluster) as api:
            await remove_nodes(api)
        await cluster["kwok"].stop()

    asyncio.run(begin())
    yield cluster
    asyncio.run(end())


async def test_a_deployment_becomes_ready_pods_and_heals_and_every_step_is_recorded(kwok):
    async with client(kwok, namespace=NAMESPACE) as api, record(api, NAMESPACE) as recording:
        await api.create(imaginary("web", 3, namespace=NAMESPACE))
        await evidence.eventually(lambda: _ready(recording) == [3] and {3} == _told(recording), 60)
        (victim, *_) = [pod.metadata.name async for pod in api.list(Pod)]
        await api.delete(Pod, victim)
        await evidence.eventually(
            lambda: "Gone" in _story(recording, victim) and _ready(recording) == [3], 60
        )
        nodes = {moment.node for moment in recording.pods if moment.node}
    assert nodes == {"kwok-1", "kwok-2"}
    assert _story(recording, victim)[:1] == ["Pending"]
    assert _story(recording, victim)[-2:] == ["Terminating", "Gone"]
    assert {moment.pod for moment in recording.pods} >= {victim}
    assert len(recording.states()) == 4
    wanted = [(each.kind, each.wanted, each.ready) for each in recording.scales]
    assert ("Deployment", 3, 3) in wanted
    assert ("ReplicaSet", 3, 3) in wanted


async def test_kubectl_is_the_one_of_the_control_plane_and_prints_what_a_reader_would_see(kwok):
    version = await kubectl(kwok, "version")
    assert str(version).startswith("$ kubectl version\n")
    assert version.text.count("v1.34.2") == 2  # client and server
    assert "kwok-1" in (await kubectl(kwok, "get", "nodes")).text
    with pytest.raises(CommandFailed, match=r'nodes "none" not found'):
        await kubectl(kwok, "get", "node", "none")
    assert "not found" in (await kubectl(kwok, "get", "node", "none", expect=1)).text


async def test_each_component_may_do_its_own_work_and_no_other(cluster):
    """RBAC, the Node authorizer and NodeRestriction are on."""
    secret = Secret(metadata=ObjectMeta(name="key", namespace="default"))
    async with client(cluster, SCHEDULER) as scheduler, client(cluster, KUBE_PROXY) as proxy:
        assert {pod.kind for pod in [each async for each in scheduler.list(Pod, namespace="*")]} <= {"Pod"}
        assert [each.metadata.name async for each in proxy.list(Service)] == ["kubernetes"]
        for other in (scheduler, proxy):
            with pytest.raises(ApiError, match="cannot create resource"):
                await other.create(secret)
    async with client(cluster, PROCESS_NODE) as node:
        with pytest.raises(ApiError, match=r"is not allowed to modify node|cannot .* other node"):
            await node.create(Node(metadata=ObjectMeta(name="another-node")))
        with pytest.raises(ApiError, match="forbidden"):
            await node.get(Secret, "key", namespace="default")


async def test_an_unknown_field_is_refused(cluster):
    """`kubectl apply` asks the API server for strict field validation."""
    manifest = cluster.folder / "typo.yaml"
    manifest.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: typo}\ndate: {a: b}\n")
    with pytest.raises(CommandFailed, match='unknown field "date"'):
        await kubectl(cluster, "apply", "--dry-run=server", "-f", manifest)


async def test_keys_and_tokens_are_their_owners_alone(cluster):
    file = kubeconfig(cluster)
    assert file.parent.stat().st_mode & 0o077 == 0
    assert [each.name for each in file.parent.iterdir() if each.stat().st_mode & 0o077] == []


async def test_a_readers_own_cluster_runs_the_same_cells(cluster, tmp_path, monkeypatch):
    """WORKBOOK_KUBECONFIG names it; KUBECONFIG, which may lead to people's work, is left alone."""
    monkeypatch.setenv("WORKBOOK_KUBECONFIG", str(kubeconfig(cluster)))
    monkeypatch.setenv("KUBECONFIG", "/nowhere/production")
    async with Lab("own-cluster", root=tmp_path) as lab:
        await lab.start("kubernetes")
        assert [(handle.name, handle.process, handle.note) for handle in lab.handles] == [
            ("kubernetes", None, "yours")
        ]
        async with client(lab, namespace="default") as api:
            await api.create(imaginary("own", 1))
            assert "own" in (await kubectl(lab, "get", "deployments", "--namespace=default")).text
            await api.delete(Deployment, "own", namespace="default")
        with pytest.raises(LabError, match="the lab has no user"):
            kubeconfig(lab, PROCESS_NODE)


def _told(recording):
    """How many ready pods Deployment and ReplicaSet tell of."""
    return {each.ready for each in {(each.kind, each.name): each for each in recording.scales}.values()}


def _story(recording, pod):
    return [state for _, state in recording.states().get(pod, [])]


def _ready(recording):
    """How many pods are ready now, of each ReplicaSet."""
    return [steps[-1][1] for steps in recording.ready().values()]
