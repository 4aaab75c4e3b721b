"""What pods and the node use, as `metrics.k8s.io` (what metrics-server answers), and what pods have printed.

The API server asks here: it passes on requests for the aggregated API, and reads logs as it does from a
kubelet. It shows its client certificate; nobody else is answered.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from aiohttp import web

from workbook_lib.lab.kubernetes.agent import Agent
from workbook_lib.lab.kubernetes.pod import RunningPod
from workbook_lib.lab.kubernetes.status import timestamp

__all__ = ["CpuRates", "NodeApi", "matches"]

GROUP = "metrics.k8s.io/v1beta1"
SAMPLE_SECONDS = 1.0
WINDOW_SECONDS = 3.0


class CpuRates:
    """Cores used by process trees: the difference of two readings of their processor time."""

    def __init__(self, window_seconds: float = WINDOW_SECONDS) -> None:
        self._window = window_seconds
        self._readings: dict[int, list[tuple[float, float]]] = {}

    def read(self, pids: set[int]) -> None:
        """Take a reading of each; forget the others."""
        self._readings = {pid: rows for pid, rows in self._readings.items() if pid in pids}
        for pid in pids:
            now, used = time.monotonic(), _cpu_seconds(pid)
            if used is not None:
                rows = self._readings.setdefault(pid, [])
                rows.append((now, used))
                while len(rows) > 2 and rows[1][0] <= now - self._window:
                    rows.pop(0)

    def cores(self, pid: int) -> float | None:
        """Its rate over the window; None until there are two readings."""
        rows = self._readings.get(pid, [])
        if len(rows) < 2 or rows[-1][0] <= rows[0][0]:
            return None
        return max(0.0, (rows[-1][1] - rows[0][1]) / (rows[-1][0] - rows[0][0]))


class NodeApi:
    """The HTTPS server of the process node."""

    def __init__(self, agent: Agent, port: int, identity: Path) -> None:
        self._agent, self._port, self._identity = agent, port, identity
        self._rates = CpuRates()

    async def run(self) -> None:
        """Sample and answer, for ever."""
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get(f"/apis/{GROUP}", self._resources)
        app.router.add_get(f"/apis/{GROUP}/nodes", self._nodes)
        app.router.add_get(f"/apis/{GROUP}/nodes/{{name}}", self._node)
        app.router.add_get(f"/apis/{GROUP}/pods", self._pods)
        app.router.add_get(f"/apis/{GROUP}/namespaces/{{namespace}}/pods", self._pods)
        app.router.add_get(f"/apis/{GROUP}/namespaces/{{namespace}}/pods/{{name}}", self._pod)
        app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._log)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", self._port, ssl_context=self._tls()).start()
            while True:
                pids = {
                    each.process.pid
                    for pod in self._agent.pods.values()
                    for each in pod.containers
                    if each.process is not None and each.process.alive
                }
                await asyncio.to_thread(self._rates.read, pids)
                await asyncio.sleep(SAMPLE_SECONDS)
        finally:
            await runner.cleanup()

    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self._identity / "ca.crt")
        context.load_cert_chain(self._identity / "server.crt", self._identity / "server.key")
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    async def _healthz(self, _: web.Request) -> web.Response:
        ready = self._agent.registered.is_set()
        return web.Response(text="ok" if ready else "not registered yet", status=200 if ready else 503)

    async def _resources(self, _: web.Request) -> web.Response:
        kinds = [("nodes", "NodeMetrics", False), ("pods", "PodMetrics", True)]
        resources = [
            {
                "name": name,
                "singularName": "",
                "namespaced": namespaced,
                "kind": kind,
                "verbs": ["get", "list"],
            }
            for name, kind, namespaced in kinds
        ]
        return web.json_response(
            {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": GROUP, "resources": resources}
        )

    async def _pods(self, request: web.Request) -> web.Response:
        namespace, selector = request.match_info.get("namespace"), request.query.get("labelSelector", "")
        items = [
            metrics
            for pod in self._agent.pods.values()
            if namespace in (None, pod.namespace) and matches(pod.labels, selector)
            if (metrics := self._metrics(pod))
        ]
        return _list("PodMetricsList", items)

    async def _pod(self, request: web.Request) -> web.Response:
        pod = self._agent.pods.get((request.match_info["namespace"], request.match_info["name"]))
        metrics = self._metrics(pod) if pod else None
        return web.json_response(metrics) if metrics else _not_found("pod metrics")

    async def _nodes(self, request: web.Request) -> web.Response:
        del request
        return _list("NodeMetricsList", [self._node_metrics()])

    async def _node(self, request: web.Request) -> web.Response:
        if request.match_info["name"] != self._agent.name:
            return _not_found("node metrics")
        return web.json_response(self._node_metrics())

    async def _log(self, request: web.Request) -> web.StreamResponse:
        """`kubectl logs`, with --tail and --previous; --follow ends with what is there."""
        where = request.match_info
        pod = self._agent.pods.get((where["namespace"], where["pod"]))
        container = (
            next((c for c in pod.containers if c.spec.name == where["container"]), None) if pod else None
        )
        if container is None:
            return _not_found("container")
        path = container.log_path
        if request.query.get("previous") == "true":
            path = path.with_name(f"{container.state.restarts - 1}.log")
        if not path.exists():
            return _not_found("log")
        lines = (await asyncio.to_thread(path.read_bytes)).splitlines(keepends=True)
        tail = int(request.query.get("tailLines", "-1"))
        return web.Response(body=b"".join(lines[max(0, len(lines) - tail) if tail >= 0 else 0 :]))

    def _metrics(self, pod: RunningPod) -> dict[str, Any] | None:
        containers = []
        for each in pod.containers:
            process = each.process
            if process is None or not process.alive or (cores := self._rates.cores(process.pid)) is None:
                return None
            containers.append({"name": each.spec.name, "usage": _usage(cores, _resident_bytes(process.pid))})
        meta = {"name": pod.name, "namespace": pod.namespace, "labels": dict(pod.labels)}
        return _object("PodMetrics", meta) | {"containers": containers}

    def _node_metrics(self) -> dict[str, Any]:
        pids = [c.process.pid for pod in self._agent.pods.values() for c in pod.containers if c.process]
        cores = sum(self._rates.cores(pid) or 0.0 for pid in pids)
        resident = sum(_resident_bytes(pid) for pid in pids)
        return _object("NodeMetrics", {"name": self._agent.name}) | {"usage": _usage(cores, resident)}


def matches(labels: Mapping[str, str], selector: str) -> bool:
    """Whether labels fit a selector of equalities: `app=users,tier!=cache,zone`."""
    for term in filter(None, selector.split(",")):
        name, equals, value = term.replace("==", "=").partition("=")
        if name.endswith("!"):
            if labels.get(name[:-1].strip()) == value.strip():
                return False
        elif (name.strip() not in labels) or (equals and labels[name.strip()] != value.strip()):
            return False
    return True


def _object(kind: str, meta: dict[str, Any]) -> dict[str, Any]:
    now = timestamp(datetime.now(UTC))
    return {
        "kind": kind,
        "apiVersion": GROUP,
        "metadata": {**meta, "creationTimestamp": now},
        "timestamp": now,
        "window": f"{WINDOW_SECONDS:g}s",
    }


def _list(kind: str, items: list[dict[str, Any]]) -> web.Response:
    return web.json_response({"kind": kind, "apiVersion": GROUP, "metadata": {}, "items": items})


def _not_found(what: str) -> web.Response:
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
    return web.json_response({**status, "message": f"{what} not found"}, status=404)


def _usage(cores: float, resident: int) -> dict[str, str]:
    return {"cpu": f"{round(cores * 1e9)}n", "memory": f"{resident // 1024}Ki"}


def _tree(pid: int) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def _cpu_seconds(pid: int) -> float | None:
    used = [times.user + times.system for each in _tree(pid) if (times := _times(each))]
    return sum(used) if used else None


def _times(process: psutil.Process) -> Any:  # noqa: ANN401 - psutil's own type differs by system
    try:
        return process.cpu_times()
    except psutil.Error:
        return None


def _resident_bytes(pid: int) -> int:
    total = 0
    for each in _tree(pid):
        try:
            total += each.memory_info().rss
        except psutil.Error:
            continue
    return total
