"""A chapter's hand on its cluster: kubectl, a typed client, and the process node."""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from lightkube import AsyncClient, KubeConfig, codecs

from workbook_lib.lab import provision
from workbook_lib.lab.errors import LabError
from workbook_lib.lab.handle import Handle
from workbook_lib.lab.lab import Lab
from workbook_lib.lab.ports import PortRequest
from workbook_lib.lab.readiness import http_get
from workbook_lib.lab.servers.kubernetes_identity import KUBE_PROXY, PROCESS_NODE, Identity

__all__ = ["apply", "client", "kubectl", "start_node"]

NODE = "process-node"
VARIABLE = "WORKBOOK_KUBECONFIG"
KUBECTL_SECONDS = 60.0
FIELD_MANAGER = "workbook"


def client(lab: Lab) -> AsyncClient:
    """A client of the lab's cluster, or of the user's, typed by Kubernetes' own models."""
    return AsyncClient(
        config=KubeConfig.from_file(lab.environment[VARIABLE]).get(),
        trust_env=False,
        field_manager=FIELD_MANAGER,
    )


async def kubectl(
    lab: Lab, *words: str, manifest: str | bytes = "", timeout_seconds: float = KUBECTL_SECONDS
) -> str:
    """What kubectl prints; `manifest` is its standard input (`-f -`).

    Raises LabError with what it said when it fails or takes longer than `timeout_seconds`.
    """
    program = await asyncio.to_thread(_kubectl)
    process = await asyncio.create_subprocess_exec(
        program,
        *words,
        env={
            "KUBECONFIG": lab.environment[VARIABLE],
            "HOME": str(lab.folder),
            "PATH": os.environ.get("PATH", ""),
        },
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    text = manifest.encode() if isinstance(manifest, str) else manifest
    try:
        async with asyncio.timeout(timeout_seconds):
            output, _ = await process.communicate(text)
    except TimeoutError:
        raise LabError(f"kubectl {' '.join(words)} took longer than {timeout_seconds:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    said = output.decode(errors="replace").rstrip()
    if process.returncode:
        raise LabError(f"kubectl {' '.join(words)} ended with {process.returncode}: {said}")
    return said


async def start_node(lab: Lab) -> Handle:
    """Start the process node in the lab's cluster, and offer metrics.k8s.io by it.

    Returns when the node is registered. Its pods are processes of this project on this machine's loopback
    network; everything ends with the handle's `stop`. Raises LabError on a user's own cluster, which has
    nodes, and where loopback has one address only (macOS).
    """
    if lab["kubernetes"].process is None:
        raise LabError("this cluster is your own: its nodes run its pods")
    if sys.platform != "linux":
        raise LabError("a process node needs all of 127.0.0.0/8 on loopback, which only Linux has")
    identity = Identity.of(lab.environment)
    folder = lab.folder / "data" / NODE

    def command(ports: Mapping[str, int]) -> list[str]:
        return [
            *(sys.executable, "-m", "workbook_lib.lab.kubernetes.node", "--name", NODE),
            *("--node-kubeconfig", str(identity.kubeconfig(PROCESS_NODE))),
            *("--proxy-kubeconfig", str(identity.kubeconfig(KUBE_PROXY))),
            *("--identity", str(identity.folder), "--folder", str(folder), "--port", str(ports["https"])),
        ]

    async def check(ports: Mapping[str, int]) -> str | None:
        status, body = await http_get(
            f"https://127.0.0.1:{ports['https']}/healthz", tls=_aggregator(identity)
        )
        return None if status == 200 else body.decode(errors="replace")

    handle = await lab.run_program(NODE, command, check, ports=[PortRequest("https")])
    await _aggregate(lab, handle.port("https"), identity)
    return handle


async def apply(lab: Lab, documents: list[dict[str, Any]]) -> None:
    """Server-side apply, one object after another. Raises ApiError."""
    async with client(lab) as cluster:
        for each in codecs.load_all_yaml(yaml.safe_dump_all(documents)):
            await cluster.apply(each, force=True)


async def _aggregate(lab: Lab, port: int, identity: Identity) -> None:
    """Have the API server pass metrics.k8s.io on to the node's port."""
    import base64

    name = {"name": "metrics-server", "namespace": "kube-system"}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": name,
        "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": port}]},
    }
    api = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": "v1beta1.metrics.k8s.io"},
        "spec": {
            "group": "metrics.k8s.io",
            "version": "v1beta1",
            "service": {**name, "port": port},
            "caBundle": base64.b64encode(identity.authority.read_bytes()).decode(),
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
        },
    }
    await apply(lab, [service, api])


def _aggregator(identity: Identity) -> ssl.SSLContext:
    """Who asks as the API server does."""
    context = ssl.create_default_context(cafile=identity.authority)
    context.load_cert_chain(identity.aggregator_certificate, identity.aggregator_key)
    return context


def _kubectl() -> Path:
    """The one that lies beside the API server: another on PATH may be of any version."""
    found = provision.find("kubernetes") or provision.provision("kubernetes", report=print)
    return Path(found.path).with_name("kubectl") if found.path else Path("kubectl")
