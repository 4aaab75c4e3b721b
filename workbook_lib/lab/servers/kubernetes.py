"""A Kubernetes control plane, each part a process: etcd, API server, controller manager, scheduler.

RBAC is on and every component has an identity of its own, by a token each. There is no kubelet: nodes come
from `lab.kubernetes` (a process node, whose pods are real processes) or from KWOK (pods in name only).
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import ClassVar, Literal

import yaml

from workbook_lib.lab.ports import PortRequest
from workbook_lib.lab.readiness import http_get
from workbook_lib.lab.servers import kubernetes_identity as users
from workbook_lib.lab.servers.base import Launch, Place, Server
from workbook_lib.lab.servers.kubernetes_identity import Identity

__all__ = ["ApiServer", "ControllerManager", "Etcd", "Kwok", "Scheduler"]

POD_NETWORK = "10.244.0.0/16"
SERVICE_NETWORK = "10.96.0.0/16"
# The API server writes its own address into the Service `kubernetes`, where a loopback address is refused.
# This one is set aside for documentation (RFC 5737), and nobody connects to it.
ADVERTISED = "192.0.2.1"
# As many pods at once as keep the API server busy, rather than 4.
_KWOK = {
    "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
    "kind": "KwokConfiguration",
    "options": {"podPlayStageParallelism": 16},
}
_NOBODY_ASKED = ssl.create_default_context()  # a component is asked for its health on its own port, no more
_NOBODY_ASKED.check_hostname, _NOBODY_ASKED.verify_mode = False, ssl.CERT_NONE


class _Part(Server):
    """A part of a control plane: its program comes with Kubernetes, and nobody has it alone."""

    @property
    def program(self) -> str:
        """The one that the API server is found by, beside which it lies."""
        return "kubernetes"

    def external(self, environ: Mapping[str, str]) -> dict[str, str] | None:
        """It belongs to one control plane."""
        del environ
        return None


class Etcd(_Part):
    """What the API server stores everything in. It forgets nothing between its starts, and syncs no disk."""

    name = "etcd"
    title = "etcd"
    variables: ClassVar = ("ETCD_URL",)
    ports: ClassVar = (PortRequest("client", 2379), PortRequest("peer", 2380))

    def launch(self, place: Place) -> Launch:
        """Loopback only."""
        client, peer = (f"http://127.0.0.1:{place.ports[role]}" for role in ("client", "peer"))
        flags = {
            "data-dir": str(place.folder / "data"),
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"default={peer}",
            "unsafe-no-fsync": "true",  # a cluster to learn with: it survives its processes, not a power cut
            "log-level": "warn",
        }
        return Launch(_command(place, "etcd", flags))

    def environment(self, ports: Mapping[str, int]) -> dict[str, str]:
        """ETCD_URL."""
        return {"ETCD_URL": f"http://127.0.0.1:{ports['client']}"}

    async def check(self, environment: Mapping[str, str]) -> str | None:
        """It has a leader."""
        status, _ = await http_get(f"{environment['ETCD_URL']}/health")
        return None if status == 200 else f"/health answers with HTTP {status}"


class ApiServer(Server):
    """Ready when it lets us in and its /readyz is: by then the roles are there that its components have.

    WORKBOOK_KUBECONFIG names the file by which clients find it. The variable isn't KUBECONFIG: on many
    machines that one leads to a cluster that people work with, and a chapter must not come there unasked.
    """

    name = "kubernetes"
    title = "Kubernetes"
    variables: ClassVar = ("WORKBOOK_KUBECONFIG",)
    ports: ClassVar = (PortRequest("https", 6443),)
    companions: ClassVar = ("etcd", "kube-controller-manager", "kube-scheduler")
    start_seconds: ClassVar = 60.0
    grace_seconds: ClassVar = 0.5  # it would wait for all who watch; what it was told is in etcd

    def launch(self, place: Place) -> Launch:
        """Make keys, tokens and kubeconfigs in its folder; listen on loopback."""
        url = f"https://127.0.0.1:{place.ports['https']}"
        identity = Identity(place.folder).make(url)
        flags = {
            "etcd-servers": place.environment["ETCD_URL"],
            "bind-address": "127.0.0.1",
            "secure-port": str(place.ports["https"]),
            "advertise-address": ADVERTISED,
            "service-cluster-ip-range": SERVICE_NETWORK,
            "authorization-mode": "Node,RBAC",
            "enable-admission-plugins": "NodeRestriction",  # a node changes itself and its own pods
            "token-auth-file": str(identity.tokens),
            "tls-cert-file": str(identity.certificate),
            "tls-private-key-file": str(identity.key),
            "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
            "service-account-key-file": str(identity.signing_key),
            "service-account-signing-key-file": str(identity.signing_key),
            # Aggregation: other API servers, such as that of metrics.k8s.io, are asked as this user.
            "requestheader-client-ca-file": str(identity.authority),
            "requestheader-allowed-names": "aggregator",
            "requestheader-username-headers": "X-Remote-User",
            "requestheader-group-headers": "X-Remote-Group",
            "requestheader-extra-headers-prefix": "X-Remote-Extra-",
            "proxy-client-cert-file": str(identity.aggregator_certificate),
            "proxy-client-key-file": str(identity.aggregator_key),
            # By which it asks the node agent for the logs of pods.
            "kubelet-client-certificate": str(identity.aggregator_certificate),
            "kubelet-client-key": str(identity.aggregator_key),
            # Five minutes without a node are long to watch.
            "default-not-ready-toleration-seconds": "2",
            "default-unreachable-toleration-seconds": "2",
            "shutdown-delay-duration": "0s",
        }
        environment = {"WORKBOOK_KUBECONFIG": str(identity.kubeconfig(users.ADMIN))}
        return Launch(_command(place, "kube-apiserver", flags), environment=environment)

    def environment(self, ports: Mapping[str, int]) -> dict[str, str]:
        """Its address; with its start WORKBOOK_KUBECONFIG names the file, which lies in the run's folder."""
        return {"WORKBOOK_KUBECONFIG": f"https://127.0.0.1:{ports['https']}"}

    async def check(self, environment: Mapping[str, str]) -> str | None:
        """It lets us in, whichever way the kubeconfig says, and is ready by its own word."""
        identity = Identity.of(environment)
        if identity.tokens.exists():  # ours; of another's /readyz not everybody may ask
            status, body = await http_get(f"{identity.url}/readyz", tls=_NOBODY_ASKED)
            if status != 200:
                return f"/readyz answers {status}: {body[-300:]!r}"
        return await _missing(environment["WORKBOOK_KUBECONFIG"], "Namespace")


class _Component(_Part):
    """A client of the API server's that serves its own health by https."""

    ports: ClassVar = (PortRequest("https"),)
    start_seconds: ClassVar = 60.0
    starts_last: ClassVar = True  # it ends when the API server doesn't know its role yet

    def environment(self, ports: Mapping[str, int]) -> dict[str, str]:
        """Where its health is asked."""
        return {self.variables[0]: f"https://127.0.0.1:{ports['https']}"}

    async def check(self, environment: Mapping[str, str]) -> str | None:
        """Its /healthz says ok."""
        status, body = await http_get(f"{environment[self.variables[0]]}/healthz", tls=_NOBODY_ASKED)
        return None if (status, body) == (200, b"ok") else f"/healthz answers {status}: {body[:200]!r}"


class ControllerManager(_Component):
    """The controllers: Deployment, ReplicaSet, EndpointSlice, HorizontalPodAutoscaler and the rest.

    Ready when they have made the service account that every namespace has, without which there is no pod.
    """

    name = "kube-controller-manager"
    title = "Kubernetes' controllers"
    variables: ClassVar = ("KUBE_CONTROLLER_MANAGER_URL",)

    def launch(self, place: Place) -> Launch:
        """Defaults fit a cluster that runs for months; the intervals here fit half an hour's reading."""
        identity = Identity.of(place.environment)
        flags = {
            **_of_a_component(place, identity, users.CONTROLLER_MANAGER),
            "use-service-account-credentials": "true",
            "service-account-private-key-file": str(identity.signing_key),
            "root-ca-file": str(identity.authority),
            "allocate-node-cidrs": "true",
            "cluster-cidr": POD_NETWORK,
            "configure-cloud-routes": "false",
            "node-monitor-period": "1s",  # 5 s
            "node-monitor-grace-period": "8s",  # 50 s
            "horizontal-pod-autoscaler-sync-period": "2s",  # 15 s
            "horizontal-pod-autoscaler-downscale-stabilization": "10s",  # 5 min
            "horizontal-pod-autoscaler-initial-readiness-delay": "2s",  # 30 s
            "horizontal-pod-autoscaler-cpu-initialization-period": "5s",  # 5 min
        }
        known = {"WORKBOOK_KUBECONFIG": place.environment["WORKBOOK_KUBECONFIG"]}
        return Launch(_command(place, "kube-controller-manager", flags), environment=known)

    async def check(self, environment: Mapping[str, str]) -> str | None:
        """Its /healthz says ok, and it has worked."""
        missing = await super().check(environment)
        return missing or await _missing(environment["WORKBOOK_KUBECONFIG"], "ServiceAccount")


class Scheduler(_Component):
    """Which node each pod is bound to."""

    name = "kube-scheduler"
    title = "Kubernetes' scheduler"
    variables: ClassVar = ("KUBE_SCHEDULER_URL",)

    def launch(self, place: Place) -> Launch:
        """One instance, so there is no leader to elect."""
        identity = Identity.of(place.environment)
        flags = _of_a_component(place, identity, users.SCHEDULER)
        return Launch(_command(place, "kube-scheduler", flags))


class Kwok(Server):
    """Nodes and pods in name only: it plays the kubelet of nodes annotated `kwok.x-k8s.io/node: fake`."""

    name = "kwok"
    title = "KWOK"
    starts_last: ClassVar = True
    variables: ClassVar = ("KWOK_URL",)
    ports: ClassVar = (PortRequest("http"),)
    start_seconds: ClassVar = 60.0

    def launch(self, place: Place) -> Launch:
        """It acts as a cluster's administrator, and renews its nodes' leases."""
        configuration = place.folder / "kwok.yaml"  # and not what the reader may have in ~/.kwok
        configuration.write_text(yaml.safe_dump(_KWOK))
        flags = {
            "config": str(configuration),
            "kubeconfig": place.environment["WORKBOOK_KUBECONFIG"],
            "manage-nodes-with-annotation-selector": "kwok.x-k8s.io/node=fake",
            "server-address": f"127.0.0.1:{place.ports['http']}",
            # Renewed every quarter of it: with the usual 40 s, later than a node may be silent here.
            "node-lease-duration-seconds": "8",
            "cidr": "10.245.0.0/16",
        }
        return Launch([str(place.program), *_flags(flags)])

    def environment(self, ports: Mapping[str, int]) -> dict[str, str]:
        """Where its health is asked."""
        return {"KWOK_URL": f"http://127.0.0.1:{ports['http']}"}

    async def check(self, environment: Mapping[str, str]) -> str | None:
        """Its /healthz answers."""
        status, _ = await http_get(f"{environment['KWOK_URL']}/healthz")
        return None if status == 200 else f"/healthz answers with HTTP {status}"


async def _missing(kubeconfig: str, kind: Literal["Namespace", "ServiceAccount"]) -> str | None:
    """None when the `default` one of a kind is there, else why not."""
    import httpx2
    from lightkube import ApiError, AsyncClient, KubeConfig
    from lightkube.core.exceptions import ConfigError
    from lightkube.resources.core_v1 import Namespace, ServiceAccount

    try:
        config = KubeConfig.from_file(kubeconfig).get()
    except (ConfigError, yaml.YAMLError, KeyError, TypeError) as error:
        return f"{kubeconfig} is no kubeconfig: {error!r}"
    client = AsyncClient(config=config, timeout=httpx2.Timeout(5.0))
    try:
        if kind == "Namespace":
            await client.get(Namespace, "default")
        else:
            await client.get(ServiceAccount, "default", namespace="default")
    except (ApiError, httpx2.HTTPError) as error:
        return f"{kind} default: {error or type(error).__name__}"
    finally:
        await client.aclose()
    return None


def _of_a_component(place: Place, identity: Identity, user: users.User) -> dict[str, str]:
    kubeconfig = str(identity.kubeconfig(user))
    return {
        "tls-cert-file": str(identity.certificate),
        "tls-private-key-file": str(identity.key),
        "kubeconfig": kubeconfig,
        "authentication-kubeconfig": kubeconfig,
        "authorization-kubeconfig": kubeconfig,
        "bind-address": "127.0.0.1",
        "secure-port": str(place.ports["https"]),
        "leader-elect": "false",
        "kube-api-qps": "300",  # of the controllers 20, of the scheduler 50
        "kube-api-burst": "500",  # 30, 100
    }


def _command(place: Place, program: str, flags: Mapping[str, str]) -> list[str]:
    """The program that lies beside the API server's, wherever that was found."""
    beside = place.program.with_name(program)
    return [str(beside if beside.exists() else program), *_flags(flags)]


def _flags(flags: Mapping[str, str]) -> list[str]:
    return [f"--{name}={value}" for name, value in flags.items()]
